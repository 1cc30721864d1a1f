-- The two roles of Stratum, for the database in which this file is run by a superuser. Safe to run again.
-- stratum_owner owns every table and is used by migrations only; stratum_app is what web, worker and beat are.
-- Rows are granted by default; `manage.py migrate` takes back UPDATE, DELETE and TRUNCATE on history, ledger and seals.
-- Passwords are set apart from this file: ALTER ROLE stratum_app PASSWORD '…'.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'stratum_owner') THEN
        CREATE ROLE stratum_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'stratum_app') THEN
        CREATE ROLE stratum_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
    END IF;
    EXECUTE format('ALTER DATABASE %I OWNER TO stratum_owner', current_database());
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO stratum_app', current_database());
END
$$;
ALTER SCHEMA public OWNER TO stratum_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO stratum_app;
ALTER DEFAULT PRIVILEGES FOR ROLE stratum_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO stratum_app;
ALTER DEFAULT PRIVILEGES FOR ROLE stratum_owner IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO stratum_app;
