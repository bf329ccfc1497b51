// Tables of alarms (tables/episodes.h). Private.
#pragma once

#include <string_view>

namespace meterhub::tables {

// `subject` is a meter's EUI or the name. AUTOINCREMENT: the number of an episode that was deleted is not given again.
inline constexpr std::string_view kEpisodesSchema = R"sql(
CREATE TABLE episodes(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  rule TEXT NOT NULL, subject_kind TEXT NOT NULL, subject TEXT NOT NULL, tenant BIGINT NOT NULL,
  severity TEXT NOT NULL, state TEXT NOT NULL,
  raised BIGINT NOT NULL, raised_text TEXT NOT NULL, last_seen BIGINT NOT NULL, last_seen_text TEXT NOT NULL,
  cleared BIGINT, cleared_text TEXT,
  count BIGINT NOT NULL, reopened BIGINT NOT NULL,
  owner TEXT NOT NULL, acknowledged_by TEXT NOT NULL, acknowledged BIGINT, acknowledged_text TEXT,
  shelved_until BIGINT, shelved_until_text TEXT,
  detail TEXT NOT NULL, comment TEXT NOT NULL, flood BIGINT NOT NULL,
  standing BIGINT NOT NULL, gone_since BIGINT, judged BIGINT NOT NULL);
CREATE INDEX episodes_open ON episodes(id) WHERE state <> 'cleared';
CREATE INDEX episodes_standing ON episodes(id) WHERE state = 'cleared' AND standing = 1;
CREATE INDEX episodes_by_cleared ON episodes(cleared, id) WHERE state = 'cleared';
CREATE INDEX episodes_by_tenant ON episodes(tenant, cleared, id) WHERE state = 'cleared';
CREATE INDEX episodes_by_subject ON episodes(subject, id);
CREATE TABLE episode_history(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  episode BIGINT NOT NULL, at BIGINT NOT NULL, at_text TEXT NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL,
  from_state TEXT NOT NULL, to_state TEXT NOT NULL, text TEXT NOT NULL);
CREATE INDEX episode_history_by_episode ON episode_history(episode, id);
CREATE TABLE episode_pending(
  rule TEXT NOT NULL, subject_kind TEXT NOT NULL, subject TEXT NOT NULL, tenant BIGINT NOT NULL,
  since BIGINT NOT NULL, judged BIGINT NOT NULL, count BIGINT NOT NULL, detail TEXT NOT NULL,
  PRIMARY KEY(rule, subject_kind, subject));
CREATE TABLE episode_flows(
  tenant BIGINT NOT NULL, rule TEXT NOT NULL, flood BIGINT NOT NULL, began BIGINT NOT NULL, raised BIGINT NOT NULL,
  minute BIGINT NOT NULL, minutes TEXT NOT NULL,
  PRIMARY KEY(tenant, rule));
)sql";

}  // namespace meterhub::tables
