-- What the revisions make of an empty SQLite file, for making one without them (store/schema.py).
-- Written by docs/generate.py; do not edit. Run `make docs`.
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE report (
	pk INTEGER NOT NULL, 
	identity BLOB NOT NULL, 
	conflicts_with INTEGER, 
	organization_name VARCHAR(1000), 
	report_id VARCHAR(1000) NOT NULL, 
	contact_info TEXT, 
	start_datetime DATETIME NOT NULL, 
	end_datetime DATETIME NOT NULL, 
	submitter VARCHAR(1000), 
	document_digest BLOB NOT NULL, 
	unknown_members JSON, 
	recorded_at DATETIME NOT NULL, signing_domain VARCHAR(255), 
	CONSTRAINT pk_report PRIMARY KEY (pk), 
	CONSTRAINT fk_report_conflicts_with FOREIGN KEY(conflicts_with) REFERENCES report (pk), 
	CONSTRAINT uq_report_identity UNIQUE (identity)
);
CREATE INDEX ix_report_start_datetime ON report (start_datetime);
CREATE INDEX ix_report_conflicts_with ON report (conflicts_with) WHERE conflicts_with IS NOT NULL;
CREATE TABLE policy (
	report_pk INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	policy_type VARCHAR(1000) NOT NULL, 
	policy_domain VARCHAR(1000), 
	policy_string JSON NOT NULL, 
	mx_host JSON NOT NULL, 
	total_successful_session_count BIGINT NOT NULL, 
	total_failure_session_count BIGINT NOT NULL, 
	unknown_members JSON, 
	CONSTRAINT pk_policy PRIMARY KEY (report_pk, position), 
	CONSTRAINT fk_policy_report_pk FOREIGN KEY(report_pk) REFERENCES report (pk)
)
 WITHOUT ROWID

;
CREATE TABLE deviation (
	report_pk INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	code VARCHAR(1000) NOT NULL, 
	path TEXT NOT NULL, 
	CONSTRAINT pk_deviation PRIMARY KEY (report_pk, position), 
	CONSTRAINT fk_deviation_report_pk FOREIGN KEY(report_pk) REFERENCES report (pk)
)
 WITHOUT ROWID

;
CREATE TABLE document (
	report_pk INTEGER NOT NULL, 
	gzip BLOB NOT NULL, 
	CONSTRAINT pk_document PRIMARY KEY (report_pk), 
	CONSTRAINT fk_document_report_pk FOREIGN KEY(report_pk) REFERENCES report (pk)
);
CREATE TABLE mailbox (
	pk INTEGER NOT NULL, 
	identity BLOB NOT NULL, 
	account VARCHAR(1000) NOT NULL, 
	name VARCHAR(1000) NOT NULL, 
	uidvalidity BIGINT NOT NULL, 
	CONSTRAINT pk_mailbox PRIMARY KEY (pk), 
	CONSTRAINT uq_mailbox_identity UNIQUE (identity)
);
CREATE TABLE delivery (
	pk INTEGER NOT NULL, 
	item BLOB NOT NULL, 
	part INTEGER NOT NULL, 
	origin TEXT NOT NULL, 
	digest BLOB NOT NULL, 
	size BIGINT NOT NULL, 
	message_id VARCHAR(1000), 
	sender VARCHAR(1000), 
	subject VARCHAR(1000), 
	submitter VARCHAR(1000), 
	outcome VARCHAR(64) NOT NULL, 
	stage VARCHAR(64), 
	code VARCHAR(64), 
	reason TEXT, 
	attempts INTEGER NOT NULL, 
	first_at DATETIME NOT NULL, 
	last_at DATETIME NOT NULL, 
	report_pk INTEGER, 
	mailbox_pk INTEGER, 
	uid BIGINT, 
	settled BOOLEAN NOT NULL, 
	octets BLOB, verdict VARCHAR(64), signing_domain VARCHAR(255), selector VARCHAR(255), verdict_reason TEXT, 
	CONSTRAINT pk_delivery PRIMARY KEY (pk), 
	CONSTRAINT fk_delivery_report_pk FOREIGN KEY(report_pk) REFERENCES report (pk), 
	CONSTRAINT fk_delivery_mailbox_pk FOREIGN KEY(mailbox_pk) REFERENCES mailbox (pk), 
	CONSTRAINT uq_delivery_item_part UNIQUE (item, part)
);
CREATE INDEX ix_delivery_report_pk ON delivery (report_pk);
CREATE INDEX ix_delivery_mailbox_pk_uid ON delivery (mailbox_pk, uid);
CREATE VIEW policy_seen AS 
        SELECT
            policy.policy_domain,
            policy.policy_type,
            policy.policy_string AS policy_string,
            policy.mx_host AS mx_host,
            MIN(date(report.start_datetime)) AS first_day,
            MAX(date(report.start_datetime)) AS last_day,
            COUNT(*) AS reports
        FROM policy JOIN report ON report.pk = policy.report_pk
        WHERE report.conflicts_with IS NULL
        GROUP BY policy.policy_domain, policy.policy_type, policy.policy_string,
            policy.mx_host;
CREATE TABLE run (
	command VARCHAR(64) NOT NULL, 
	host VARCHAR(255) NOT NULL, 
	began_at DATETIME NOT NULL, 
	ended_at DATETIME NOT NULL, 
	exit_status INTEGER NOT NULL, 
	done_at DATETIME, 
	items BIGINT NOT NULL, 
	outcomes JSON NOT NULL, 
	words TEXT, 
	CONSTRAINT pk_run PRIMARY KEY (command, host)
)
 WITHOUT ROWID

;
CREATE TABLE alert (
	identity BLOB NOT NULL, 
	kind VARCHAR(64) NOT NULL, 
	subject JSON NOT NULL, 
	began_at DATETIME NOT NULL, 
	over_at DATETIME, 
	untold VARCHAR(64) NOT NULL, 
	untold_over VARCHAR(64) NOT NULL, 
	claimed_until DATETIME, 
	CONSTRAINT pk_alert PRIMARY KEY (identity)
)
 WITHOUT ROWID

;
CREATE INDEX ix_delivery_unsettled ON delivery (mailbox_pk, settled, outcome, uid) WHERE settled IS 0 AND mailbox_pk IS NOT NULL;
CREATE INDEX ix_delivery_rejected_at ON delivery (last_at) WHERE outcome = 'rejected';
CREATE INDEX ix_delivery_rejected_uid ON delivery (mailbox_pk, uid) WHERE outcome = 'rejected';
CREATE INDEX ix_report_day ON report (date(start_datetime));
CREATE VIEW daily_sessions AS 
    SELECT
        each.day AS day,
        json_extract(sums.value, '$[0]') AS organization_name,
        json_extract(sums.value, '$[1]') AS policy_domain,
        json_extract(sums.value, '$[2]') AS successful,
        json_extract(sums.value, '$[3]') AS failed
    FROM (SELECT DISTINCT date(start_datetime) AS day FROM report) AS each
    CROSS JOIN json_each((
        SELECT json_group_array(json_array(organization_name, policy_domain, successful, failed))
        FROM (
            SELECT organization_name, policy_domain, SUM(sessions - failed) AS successful, SUM(failed) AS failed
            FROM (
                SELECT report_pk, organization_name, policy_domain, MAX(sessions) AS sessions, MAX(failed) AS failed
                FROM (
                    SELECT
                        policy.report_pk,
                        policy.policy_domain,
                        policy.policy_type,
                        report.organization_name,
                        SUM(CASE WHEN policy.total_successful_session_count > 1000000000000 THEN 1000000000000 ELSE policy.total_successful_session_count END) + SUM(CASE WHEN policy.total_failure_session_count > 1000000000000 THEN 1000000000000 ELSE policy.total_failure_session_count END) AS sessions,
                        SUM(CASE WHEN policy.total_failure_session_count > 1000000000000 THEN 1000000000000 ELSE policy.total_failure_session_count END) AS failed
                    FROM report CROSS JOIN policy ON policy.report_pk = report.pk
                    WHERE report.conflicts_with IS NULL AND date(report.start_datetime) = each.day
                    GROUP BY policy.report_pk, policy.policy_domain, policy.policy_type, report.organization_name
                ) AS by_type
                GROUP BY report_pk, policy_domain, organization_name
            ) AS by_report
            GROUP BY organization_name, policy_domain
        ) AS of_day
    )) AS sums;
CREATE VIEW sender AS SELECT
            organization_name,
            COUNT(*) AS reports,
            MIN(date(start_datetime)) AS first_day,
            MAX(date(start_datetime)) AS last_day, COUNT(signing_domain) AS authenticated
        FROM report
        WHERE conflicts_with IS NULL
        GROUP BY organization_name;
CREATE VIEW ledger AS SELECT
            delivery.first_at,
            delivery.last_at,
            delivery.origin,
            delivery.outcome,
            delivery.stage,
            delivery.code,
            delivery.reason,
            delivery.attempts,
            delivery.verdict,
            delivery.signing_domain,
            delivery.selector,
            delivery.verdict_reason,
            delivery.sender,
            delivery.subject,
            delivery.submitter,
            report.organization_name,
            report.report_id,
            report.start_datetime,
            delivery.report_pk
        FROM delivery LEFT JOIN report ON report.pk = delivery.report_pk;
CREATE TABLE published (
	name VARCHAR(255) NOT NULL, 
	kind VARCHAR(64) NOT NULL, 
	first_at DATETIME NOT NULL, 
	last_at DATETIME NOT NULL, 
	text TEXT, 
	CONSTRAINT pk_published PRIMARY KEY (name, kind, first_at)
)
 WITHOUT ROWID

;
CREATE INDEX ix_delivery_refused_at ON delivery (last_at) WHERE outcome IN ('unauthenticated', 'foreign');
CREATE VIEW loop_report AS SELECT
            date(report.start_datetime) AS day,
            report.organization_name,
            single.policy_domain,
            report.report_id,
            report.submitter,
            single.report_pk
        FROM (
            SELECT report_pk, policy_domain
            FROM policy
            GROUP BY report_pk, policy_domain
            HAVING MAX(
                CASE WHEN total_successful_session_count <= 1 AND total_failure_session_count <= 1
                    THEN total_successful_session_count + total_failure_session_count ELSE 2 END
            ) = 1
        ) AS single
        JOIN report ON report.pk = single.report_pk
        WHERE report.conflicts_with IS NULL AND EXISTS (
            SELECT 1
            FROM report AS earlier JOIN policy ON policy.report_pk = earlier.pk
            WHERE earlier.start_datetime >= date(report.start_datetime, '-1 day') AND earlier.start_datetime < date(report.start_datetime)
                AND earlier.conflicts_with IS NULL
                AND earlier.organization_name = report.organization_name
                AND policy.policy_domain = single.policy_domain
        );
CREATE TABLE "failure_detail" (
	report_pk INTEGER NOT NULL, 
	policy_position INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	result_type VARCHAR(1000) NOT NULL, 
	sending_mta_ip TEXT, 
	receiving_mx_hostname TEXT, 
	receiving_mx_helo TEXT, 
	receiving_ip TEXT, 
	failed_session_count BIGINT NOT NULL, 
	additional_information TEXT, 
	failure_reason_code TEXT, 
	unknown_members JSON, 
	CONSTRAINT pk_failure_detail PRIMARY KEY (report_pk, policy_position, position)
)
 WITHOUT ROWID

;
CREATE VIEW failure AS 
    SELECT 
        date(report.start_datetime) AS day,
        report.organization_name,
        report.report_id,
        report.start_datetime,
        report.end_datetime,
        policy.policy_type,
        policy.policy_domain,
        detail.result_type,
        CASE WHEN detail.failed_session_count > 1000000000000 THEN 1000000000000 ELSE detail.failed_session_count END AS failed_session_count,
        detail.sending_mta_ip,
        detail.receiving_mx_hostname,
        detail.receiving_mx_helo,
        detail.receiving_ip,
        detail.additional_information,
        detail.failure_reason_code,
        report.submitter,
        report.pk AS report_pk,
        detail.policy_position,
        detail.position
    
    FROM report
    CROSS JOIN policy ON policy.report_pk = report.pk
    CROSS JOIN failure_detail AS detail
        ON detail.report_pk = policy.report_pk AND detail.policy_position = policy.position
    WHERE report.conflicts_with IS NULL;
INSERT INTO alembic_version VALUES ('0007')
