"""The SQL that puts back exactly the rows that were lost, planned, proven, applied."""
