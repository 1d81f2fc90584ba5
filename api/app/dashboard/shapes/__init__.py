"""What pages draw of the API's answers: rows, bars, timelines and sentences; pure."""
