"""The report of a factor: how well the values of a column order the returns that follow."""
