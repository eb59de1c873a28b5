-- What stands in the container's description is worth nothing from here on; inside, the role needs no password.
ALTER ROLE {role} PASSWORD NULL;
