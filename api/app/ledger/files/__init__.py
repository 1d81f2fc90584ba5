"""What jobs leave behind besides their result: files, kept with the job."""
