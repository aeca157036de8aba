"""The columns of the tables that an installation keeps about its own running, and why each stays where it is."""

from __future__ import annotations

from typing import Final

from daemon.dspace.coverage.entry import Entry, operational

JOB: Final = "the log of jobs that ran in this installation"
ORCID: Final = "the exchange of this installation with ORCID, under its own client"
NOTIFY: Final = "the notification services that this installation is configured to talk to"

# fmt: off
OPERATIONAL: Final[tuple[Entry, ...]] = (
    *operational("process", JOB, "process_id user_id start_time finished_time creation_time script status parameters"),
    *operational("process2bitstream", f"{JOB}: its output files", "process_id bitstream_id"),
    *operational("process2group", f"{JOB}: who may see it", "process_id group_id"),
    *operational("webapp", "the register of running web applications", "webapp_id appname url started isui"),
    *operational("checksum_results", "the fixed vocabulary of the checksum checker, made by DSpace's migrations",
                 "result_code result_description"),
    *operational("checksum_history", "what the checksum checker found on the files of this installation",
                 "check_id process_start_date process_end_date checksum_expected checksum_calculated result "
                 "bitstream_id"),
    *operational("most_recent_checksum", "the state of the checksum checker, which `dspace checker` builds anew",
                 "to_be_processed expected_checksum current_checksum last_process_start_date last_process_end_date "
                 "checksum_algorithm matched_prev_checksum result bitstream_id"),
    *operational("requestitem", "requests for copies: short-lived, and full of secrets",
                 "requestitem_id token allfiles request_email request_name request_date accept_request decision_date "
                 "expires request_message item_id bitstream_id"),
    *operational("requestitem", "requests for copies: short-lived, and full of secrets",
                 "access_token access_expiry", since=9),
    *operational("registrationdata", "tokens of unfinished registrations and forgotten passwords",
                 "registrationdata_id email token expires"),
    *operational("registrationdata", "tokens of unfinished registrations and forgotten passwords",
                 "registration_type net_id", since=9),
    *operational("registrationdata_metadata", "what unfinished registrations have gathered",
                 "registrationdata_metadata_id registrationdata_id metadata_field_id text_value", since=9),
    *operational("orcid_queue", ORCID, "id owner_id entity_id attempts put_code record_type description operation "
                 "metadata"),
    *operational("orcid_history", ORCID, "id owner_id entity_id put_code timestamp_last_attempt response_message "
                 "status metadata operation record_type description"),
    *operational("orcid_token", "access tokens: secrets", "id eperson_id profile_item_id access_token"),
    *operational("openurltracker", "a queue of messages to try again", "tracker_id tracker_url uploaddate"),
    *operational("systemwidealert", "a notice about this installation", "alert_id message allow_sessions countdown_to "
                 "active"),
    *operational("notifyservice", NOTIFY, "id name description url ldn_url enabled score lower_ip upper_ip", since=8),
    *operational("notifyservice", NOTIFY, "uses_actor_email_id", since=9),
    *operational("notifyservice_inbound_pattern", NOTIFY, "id service_id pattern constraint_name automatic", since=8),
    *operational("notifypatterns_to_trigger", "what a submission asks this installation's services to do once",
                 "id item_id service_id pattern", since=8),
    *operational("ldn_message", "the queue and log of notifications of this installation",
                 "id object message type origin target inreplyto context activity_stream_type coar_notify_type "
                 "queue_status queue_attempts queue_last_start_time queue_timeout source_ip", since=8),
    *operational("qaevent_processed", "which quality-assurance events were dealt with; the events are in Solr",
                 "qaevent_id qaevent_timestamp eperson_uuid item_uuid", since=8),
    *operational("itemupdate_metadata_enhancement", "the work queue of the item enhancer", "uuid date_queued",
                 since=10),
    *operational("schema_version", "the history of migrations of this database; only Flyway writes it",
                 "installed_rank version description type script checksum installed_by installed_on execution_time "
                 "success"),
)
