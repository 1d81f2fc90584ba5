-- The roles of docs/operations/secrets.md, for a Cloud SQL that Terraform has made. infra/bootstrap.sh has it imported as
-- postgres, who is no superuser, and then gives kaboom_a a password. It may run again at any time, and changes nothing then.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kaboom') THEN
    CREATE ROLE kaboom NOLOGIN;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kaboom_a') THEN
    CREATE ROLE kaboom_a LOGIN IN ROLE kaboom;
    ALTER ROLE kaboom_a SET role = 'kaboom';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kaboom_b') THEN
    CREATE ROLE kaboom_b LOGIN IN ROLE kaboom;
    ALTER ROLE kaboom_b SET role = 'kaboom';
  END IF;
END
$$;
GRANT kaboom, kaboom_a, kaboom_b TO CURRENT_USER;
ALTER DATABASE kaboom OWNER TO kaboom;
