-- Partitions by month for a large PostgreSQL database of tlsrpt-ingest (docs/scale.md says when).
--
--   psql --single-transaction --set ON_ERROR_STOP=1 --file postgresql-partitions.sql DATABASE
--
-- Run once by the owner of the tables, after `tlsrpt-ingest db upgrade` and while nothing writes. It moves the rows
-- that are there, and leaves the procedures tlsrpt_month (to call on the first of each month) and tlsrpt_forget. What
-- other roles may do with these tables and views is to be granted again (postgresql-roles.sql).
--
-- * report: by its identity, whose first four octets are the seconds of start-datetime. So the month finds the
--   partition, and a report is still counted once over all of them.
-- * policy, failure_detail, deviation, document: by report_pk. tlsrpt_month lets the pks of each month begin with its
--   number (202612 0000000000), so that these are partitions by month of arrival.
-- * Foreign keys go: PostgreSQL wants the partition key in what they refer to. What they would refuse the program does
--   not do, and looking them up is half of the server's work.

DO $$
DECLARE
    view_names text[];
    view_definitions text[];
    name text;
    definition text;
    definitions text[];
    key text;
    link record;
BEGIN
    SELECT array_agg(relname ORDER BY oid), array_agg(pg_get_viewdef(oid) ORDER BY oid)
        INTO view_names, view_definitions
        FROM pg_class WHERE relkind = 'v' AND relnamespace = current_schema()::regnamespace;
    FOREACH name IN ARRAY view_names LOOP
        EXECUTE format('DROP VIEW IF EXISTS %I CASCADE', name);
    END LOOP;

    FOR link IN
        SELECT conrelid::regclass AS place, conname FROM pg_constraint
        WHERE contype = 'f' AND confrelid IN ('report'::regclass, 'policy'::regclass)
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', link.place, link.conname);
    END LOOP;

    FOREACH name IN ARRAY ARRAY['report', 'policy', 'failure_detail', 'deviation', 'document'] LOOP
        key := CASE name WHEN 'report' THEN 'identity' ELSE 'report_pk' END;
        -- Its indexes, as they are but that of report's pk, which cannot be unique by itself.
        SELECT array_agg(replace(
                pg_get_indexdef(indexrelid), 'CREATE UNIQUE INDEX pk_report ', 'CREATE INDEX pk_report '
            )) INTO definitions
            FROM pg_index WHERE indrelid = name::regclass;
        EXECUTE format('ALTER TABLE %I RENAME TO %I', name, name || '_before');
        EXECUTE format(
            'CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS) PARTITION BY RANGE (%I)', name, name || '_before', key
        );
        EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', name || '_other', name);
        EXECUTE format('INSERT INTO %I SELECT * FROM %I', name, name || '_before');
        EXECUTE format('DROP TABLE %I', name || '_before');
        FOREACH definition IN ARRAY definitions LOOP
            EXECUTE definition;
        END LOOP;
    END LOOP;

    FOR number IN 1 .. array_length(view_names, 1) LOOP
        EXECUTE format('CREATE VIEW %I AS %s', view_names[number], view_definitions[number]);
    END LOOP;
END
$$;

-- CALL tlsrpt_month('2026-12-01'): the partitions of that month. Once for each month that there are reports of, in any
-- order, and from then on the first of each month; what came before it was called is moved.
CREATE PROCEDURE tlsrpt_month(month date) LANGUAGE plpgsql AS $$
DECLARE
    first date := date_trunc('month', month);
    next date := first + interval '1 month';
    name text;
    key text;
    low text;
    high text;
    part text;
BEGIN
    FOREACH name IN ARRAY ARRAY['report', 'policy', 'failure_detail', 'deviation', 'document'] LOOP
        part := name || to_char(first, '_YYYY_MM');
        IF name = 'report' THEN
            key := 'identity';
            low := format('%L::bytea', '\x' || lpad(to_hex(extract(epoch FROM first)::bigint), 8, '0'));
            high := format('%L::bytea', '\x' || lpad(to_hex(extract(epoch FROM next)::bigint), 8, '0'));
        ELSE
            key := 'report_pk';
            low := to_char(first, 'YYYYMM') || '0000000000';
            high := to_char(next, 'YYYYMM') || '0000000000';
        END IF;
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING INDEXES)', part, name);
        -- Whoever was here before its month: reports of before this script, and dates that a stranger made up.
        EXECUTE format(
            'WITH moved AS (DELETE FROM %I WHERE %I >= %s AND %I < %s RETURNING *) INSERT INTO %I SELECT * FROM moved',
            name || '_other', key, low, key, high, part
        );
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', name, part, low, high);
    END LOOP;
    -- In this month pks begin with its number; never back to what was given out.
    PERFORM setval('pk_block', to_char(first, 'YYYYMM')::bigint * 10000000000, false)
        FROM pk_block
        WHERE date_trunc('month', current_date) = first
            AND last_value < to_char(first, 'YYYYMM')::bigint * 10000000000;
END
$$;

-- CALL tlsrpt_forget('2026-01-01'): drop a month, at once, where `prune` would delete row by row; older months first.
-- Policies and failures go with the month in which they arrived: those of a report that came later stay until then.
CREATE PROCEDURE tlsrpt_forget(month date) LANGUAGE plpgsql AS $$
DECLARE
    first date := date_trunc('month', month);
    next date := first + interval '1 month';
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['report', 'policy', 'failure_detail', 'deviation', 'document'] LOOP
        EXECUTE format('DROP TABLE %I', name || to_char(first, '_YYYY_MM'));
    END LOOP;
    UPDATE delivery SET report_pk = NULL
        WHERE report_pk >= to_char(first, 'YYYYMM')::bigint * 10000000000
            AND report_pk < to_char(next, 'YYYYMM')::bigint * 10000000000
            AND NOT EXISTS (SELECT FROM report WHERE report.pk = delivery.report_pk);
END
$$;
