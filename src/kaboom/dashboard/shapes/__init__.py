"""Turn the API's answers into the shapes that pages draw: rows, bars, timelines and sentences; pure."""
