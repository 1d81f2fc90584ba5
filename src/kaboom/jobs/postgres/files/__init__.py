"""Files that jobs produce besides their result; they are kept with the job."""
