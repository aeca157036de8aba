"""What an installation knows about its own running: jobs, checks, queues, requests, tokens. Not content."""

from __future__ import annotations

from daemon.dspace.tables.words import (
    CASCADE,
    SET_NULL,
    Definer,
    bigint,
    boolean,
    date,
    foreign,
    index,
    integer,
    numeric,
    primary,
    text,
    timestamp,
    unique,
    uuid,
    varchar,
)

# fmt: off


def define(t: Definer) -> None:
    """Add these tables."""
    t("process",
      integer("process_id", key=True),
      uuid("user_id"),
      timestamp("start_time"),
      timestamp("finished_time"),
      timestamp("creation_time", null=False),
      varchar("script", 256, null=False),
      varchar("status", 32),
      text("parameters"),
      foreign("user_id", to="eperson.uuid", on_delete=SET_NULL, name="process_eperson"),
      index("process_name_idx", "script"),
      index("process_start_time_idx", "start_time"),
      index("process_status_idx", "status"),
      index("process_user_id_idx", "user_id"))

    t("process2bitstream",
      integer("process_id", to="process.process_id"),
      uuid("bitstream_id", to="bitstream.uuid"),
      primary("process_id", "bitstream_id", name="pk_process2bitstream"))

    t("process2group",
      integer("process_id", to="process.process_id"),
      uuid("group_id", to="epersongroup.uuid", on_delete=CASCADE),
      primary("process_id", "group_id", name="pk_process2group"))

    t("webapp",
      integer("webapp_id", key=True),
      varchar("appname", 32),
      varchar("url"),
      timestamp("started"),
      integer("isui"))

    t("checksum_results",
      varchar("result_code", key=True),
      varchar("result_description"))

    t("checksum_history",
      bigint("check_id", key=True, draws="checksum_history_check_id_seq"),
      timestamp("process_start_date"),
      timestamp("process_end_date"),
      varchar("checksum_expected"),
      varchar("checksum_calculated"),
      varchar("result", to="checksum_results.result_code"),
      uuid("bitstream_id", to="bitstream.uuid"),
      index("ch_result_fk_idx", "result"),
      index("checksum_history_bitstream", "bitstream_id"))

    t("most_recent_checksum",
      boolean("to_be_processed", null=False),
      varchar("expected_checksum", null=False),
      varchar("current_checksum", null=False),
      timestamp("last_process_start_date", null=False),
      timestamp("last_process_end_date", null=False),
      varchar("checksum_algorithm", null=False),
      boolean("matched_prev_checksum", null=False),
      varchar("result", to="checksum_results.result_code"),
      uuid("bitstream_id", to="bitstream.uuid"),
      index("most_recent_checksum_bitstream", "bitstream_id"),
      index("mrc_result_fk_idx", "result"))

    t("requestitem",
      integer("requestitem_id", key=True),
      varchar("token", 48, unique=True),
      boolean("allfiles"),
      varchar("request_email", 64),
      varchar("request_name", 64),
      timestamp("request_date"),
      boolean("accept_request"),
      timestamp("decision_date"),
      timestamp("expires"),
      text("request_message"),
      uuid("item_id", to="item.uuid"),
      uuid("bitstream_id", to="bitstream.uuid"),
      t.since(9, varchar("access_token", 48)),
      t.since(9, timestamp("access_expiry")),
      index("requestitem_bitstream", "bitstream_id"),
      index("requestitem_item", "item_id"))

    t("registrationdata",
      integer("registrationdata_id", key=True),
      varchar("email", 64),
      varchar("token", 48),
      timestamp("expires"),
      t.since(9, varchar("registration_type", 255)),
      t.since(9, varchar("net_id", 64)),
      t.until(8, unique("email")))

    t("registrationdata_metadata",
      integer("registrationdata_metadata_id"),
      integer("registrationdata_id"),
      integer("metadata_field_id"),
      text("text_value"),
      foreign("metadata_field_id", to="metadatafieldregistry.metadata_field_id", on_delete=CASCADE,
              name="fk_registrationdata_metadata_on_metadata_field"),
      foreign("registrationdata_id", to="registrationdata.registrationdata_id", on_delete=CASCADE,
              name="fk_registrationdata_metadata_on_registrationdata"),
      primary("registrationdata_metadata_id", name="pk_registrationdata_metadata"),
      since=9)

    t("orcid_queue",
      integer("id", key=True),
      uuid("owner_id", to="item.uuid", null=False),
      uuid("entity_id", to="item.uuid"),
      integer("attempts"),
      varchar("put_code", 255),
      varchar("record_type", 255),
      text("description"),
      varchar("operation", 255),
      text("metadata"),
      index("orcid_queue_owner_id_index", "owner_id"))

    t("orcid_history",
      integer("id", key=True),
      uuid("owner_id", to="item.uuid", null=False),
      uuid("entity_id", to="item.uuid"),
      varchar("put_code", 255),
      timestamp("timestamp_last_attempt"),
      text("response_message"),
      integer("status"),
      text("metadata"),
      varchar("operation", 255),
      varchar("record_type", 255),
      text("description"),
      index("orcid_history_owner_id_index", "owner_id"))

    t("orcid_token",
      integer("id", key=True),
      uuid("eperson_id", to="eperson.uuid", null=False, unique=True),
      uuid("profile_item_id", to="item.uuid"),
      varchar("access_token", 100, null=False))

    t("openurltracker",
      integer("tracker_id"),
      varchar("tracker_url", 1000),
      date("uploaddate"),
      primary("tracker_id", name="openurltracker_pk"))

    t("systemwidealert",
      integer("alert_id", key=True),
      varchar("message", 512),
      varchar("allow_sessions", 64),
      timestamp("countdown_to"),
      boolean("active"))

    t("notifyservice",
      integer("id", key=True),
      varchar("name", 255),
      text("description"),
      varchar("url", 255),
      varchar("ldn_url", 255),
      boolean("enabled", null=False),
      numeric("score", 6, 5),
      varchar("lower_ip", 45),
      varchar("upper_ip", 45),
      t.since(9, boolean("uses_actor_email_id", default="false")),
      unique("ldn_url", name="ldn_url_unique"),
      since=8)

    t("notifyservice_inbound_pattern",
      integer("id", key=True),
      integer("service_id", to="notifyservice.id", on_delete=CASCADE),
      varchar("pattern", 255),
      varchar("constraint_name", 255),
      boolean("automatic"),
      index("notifyservice_inbound_idx", "service_id"),
      since=8)

    t("notifypatterns_to_trigger",
      integer("id", key=True),
      uuid("item_id", to="item.uuid", on_delete=CASCADE),
      integer("service_id", to="notifyservice.id", on_delete=CASCADE),
      varchar("pattern", 255),
      index("notifypatterns_to_trigger_item_idx", "item_id"),
      index("notifypatterns_to_trigger_service_idx", "service_id"),
      since=8)

    t("ldn_message",
      varchar("id", 255, key=True),
      uuid("object", to="dspaceobject.uuid", on_delete=SET_NULL),
      text("message"),
      varchar("type", 255),
      integer("origin", to="notifyservice.id", on_delete=SET_NULL),
      integer("target", to="notifyservice.id", on_delete=SET_NULL),
      varchar("inreplyto", 255, to="ldn_message.id", on_delete=SET_NULL),
      uuid("context", to="dspaceobject.uuid", on_delete=SET_NULL),
      varchar("activity_stream_type", 255),
      varchar("coar_notify_type", 255),
      integer("queue_status"),
      integer("queue_attempts", default="0"),
      timestamp("queue_last_start_time"),
      timestamp("queue_timeout"),
      varchar("source_ip", 45),
      since=8)

    t("qaevent_processed",
      varchar("qaevent_id", 255),
      timestamp("qaevent_timestamp"),
      uuid("eperson_uuid"),
      uuid("item_uuid"),
      foreign("eperson_uuid", to="eperson.uuid", name="eperson_uuid_fkey"),
      foreign("item_uuid", to="item.uuid", name="item_uuid_fkey"),
      primary("qaevent_id", name="qaevent_pk"),
      index("item_uuid_idx", "item_uuid"),
      since=8)

    t("itemupdate_metadata_enhancement",
      uuid("uuid", key=True),
      timestamp("date_queued", null=False),
      index("idx_date_queued", "date_queued"),
      since=10)

    # Flyway's history of migrations, under the name that it had before Flyway 5.
    t("schema_version",
      integer("installed_rank"),
      varchar("version", 50),
      varchar("description", 200, null=False),
      varchar("type", 20, null=False),
      varchar("script", 1000, null=False),
      integer("checksum"),
      varchar("installed_by", 100, null=False),
      timestamp("installed_on", null=False, default="now()"),
      integer("execution_time", null=False),
      boolean("success", null=False),
      primary("installed_rank", name="schema_version_pk"),
      index("schema_version_s_idx", "success"))
