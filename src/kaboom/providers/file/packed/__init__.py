"""Files that hold others or that are packed: zip files and Excel workbooks."""
