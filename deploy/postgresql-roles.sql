-- Least privilege on PostgreSQL. Run it as the owner of the database, in the database, after `tlsrpt-ingest db upgrade`
-- and again after each upgrade:
--
--     psql -f postgresql-roles.sql tlsrpt
--     CREATE ROLE poller LOGIN IN ROLE tlsrpt_ingest;      -- for poll, backfill, serve
--     CREATE ROLE grafana LOGIN IN ROLE tlsrpt_reader;     -- for dashboards
--
-- `db upgrade` and `prune` stay the owner's.

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['tlsrpt_ingest', 'tlsrpt_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        END IF;
    END LOOP;
END $$;

-- Who records may add reports and read everything. What has been reported can be neither changed nor deleted, but for
-- which of two reports of one identity is the one that counts.
GRANT SELECT, INSERT ON report, policy, failure_detail, deviation, document, mailbox, delivery TO tlsrpt_ingest;
GRANT UPDATE (conflicts_with) ON report TO tlsrpt_ingest;
GRANT USAGE ON SEQUENCE pk_block TO tlsrpt_ingest;
GRANT SELECT ON alembic_version TO tlsrpt_ingest;
-- The ledger counts attempts, and forgets that something was rejected once it has been read.
GRANT UPDATE, DELETE ON delivery TO tlsrpt_ingest;
-- The program's own memory: last runs, what alerts have told, what posture saw published.
GRANT SELECT, INSERT, UPDATE, DELETE ON run, alert, published TO tlsrpt_ingest;

-- Who looks sees the views, and no table of what was reported.
GRANT SELECT ON daily_sessions, failure, policy_seen, sender, ledger, loop_report TO tlsrpt_reader, tlsrpt_ingest;
-- And what the dashboard of deploy/grafana says of the program itself: the last runs, and what is not over.
GRANT SELECT ON run, alert TO tlsrpt_reader;
