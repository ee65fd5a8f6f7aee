"""The journal of a store on a PostgreSQL server, for more than one machine."""
