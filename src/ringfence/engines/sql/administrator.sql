-- The role that the tool works with, made by the superuser that the image came with. Its password is not to be logged.
SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_min_error_statement = 'panic';
{verb} ROLE {role} SUPERUSER LOGIN PASSWORD {password};
