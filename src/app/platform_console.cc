// The console and the control socket of a platform.
#include <algorithm>
#include <filesystem>

#include <meterhub/alarm/policy_settings.h>
#include <meterhub/base/logging.h>
#include <meterhub/console/console.h>
#include <meterhub/console/office_lists.h>

#include "notices.h"
#include "notify_api.h"
#include "platform.h"

namespace meterhub::app {
namespace {

// Of one event; an episode has some 600.
constexpr std::size_t kEpisodesOfEventBytes = 256 << 10;

// The key of the page's address, kept so that a bookmark stays right; 0600 as all secrets are.
base::Result<std::string> page_key(base::Disk& disk, const std::string& file) {
  if (MH_TRY(disk.exists(file))) return disk.read(file);
  auto key = console::make_key();
  MH_TRY_VOID(write_private(disk, file, key));
  return key;
}

// Where workbooks are put together; a crash may have left one there.
base::Result<std::string> empty_directory(base::Disk& disk, const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) return base::fail(base::Errc::kIo, path + ": " + error.message());
  MH_TRY_VOID(disk.make_directories(path));
  return path;
}

}  // namespace

base::Result<console::ConsoleOptions> Platform::console_options() {
  console::ConsoleOptions out;
  const auto& listen = settings_.text("console.listen");
  out.listen.reset();
  if (runs("console") && !listen.empty()) out.listen = MH_TRY(net::Address::parse(listen));
  if (const auto& https = settings_.text("console.https_listen"); runs("console") && !https.empty()) {
    out.https =
        console::HttpsListen{MH_TRY(net::Address::parse(https)), MH_TRY(net::TlsContext::server({tls_.server, {}}))};
  }
  out.control_socket = paths_.control_socket();
  out.key = MH_TRY(page_key(disk_, base::join_path(paths_.root, "console.key")));
  out.lake = paths_.lake();
  out.started = started_;
  out.event_hubs = settings_.names_in("event_hubs");
  if (telemetry_reader(settings_) == TelemetryReader::kOutside) {
    for (auto& stage : out.stages) std::erase(stage.logs, log::topics::kTelemetry);
  }
  out.scratch = MH_TRY(empty_directory(disk_, paths_.exports()));
  // On the registry's thread: an import may hold the store for long.
  out.keys_used = [this](std::vector<registry::Store::ApiKeyUse> uses) {
    if (registry_thread_ == nullptr) return;
    registry_thread_->post([store = store_.get(), uses = std::move(uses)] {
      if (const auto noted = store->note_api_keys_used(uses); !noted) {
        base::logging::warn("api_key_use_not_noted", {{"error", noted.error().text}});
      }
    });
  };
  return out;
}

base::Result<std::unique_ptr<office::Office>> Platform::make_office(base::Executor& loop) {
  office::OfficeOptions options;
  options.directory = paths_.office();
  options.survey_every = settings_.duration("office.survey_every");
  options.tables_every = settings_.duration("office.tables_every");
  options.snapshot_every = settings_.duration("office.snapshot_every");
  options.day_closes_after =
      std::chrono::duration_cast<std::chrono::minutes>(settings_.duration("office.day_closes_after"));
  options.completeness_kept =
      std::chrono::duration_cast<std::chrono::days>(settings_.duration("office.completeness_kept"));
  options.episodes_kept = std::chrono::duration_cast<std::chrono::days>(settings_.duration("office.episodes_kept"));
  options.policies =
      MH_TRY(alarm::read_policies(settings_, [this](std::string_view name) -> std::optional<base::TenantNumber> {
        const auto tenants = directory_.tenants();
        const auto found = std::ranges::find(tenants, name, &registry::Tenant::name);
        return found != tenants.end() ? std::optional(found->number) : std::nullopt;
      }));
  const office::OfficeWorld world{
      .log = *log_,
      .directory = directory_,
      .database = *database_,
      .disk = disk_,
      .metrics = metrics_,
      .rules = rules_,
      .writer = new_thread("office"),
      .complete_until = [this] { return caught_up_to(*log_, telemetry_reader(settings_)); },
      .with_changes = [this](db::Connection& connection,
                             const alarm::Changes& changes) { return put_notices(connection, changes); },
      .changed = [this](const alarm::Changes& changes) { episodes_changed(changes); }};
  return office::Office::start(loop, world, std::move(options));
}

// What people are told of; it outlives the office, whose transactions hold its notices.
base::Result<void> Platform::start_notifier() {
  carrier_ = MH_TRY(notify::make_carrier(carrier_options(settings_)));
  notify::NotifierOptions options;
  options.plaintext = plaintext_of(settings_);
  auto& thread = new_thread("notify");
  auto notifier = MH_TRY(notify::Notifier::create({*store_, *database_, *carrier_, thread, metrics_}, options));
  notifier_ = notifier.get();
  using NotifierPart = RolePart<notify::Notifier, &notify::Notifier::drain>;
  parts_.push_back(std::make_unique<NotifierPart>("notify", thread, std::move(notifier)));
  return {};
}

// On the console's loop: messages may go, and those who follow the events hear of it, each tenant's of its own.
void Platform::episodes_changed(const alarm::Changes& changes) {
  notifier_->committed();
  if (!publish_) return;
  std::map<base::TenantNumber, std::string> by_tenant;
  for (const auto& episode : changes.episodes) {
    auto& list = by_tenant[episode.tenant];
    if (list.size() > kEpisodesOfEventBytes) continue;  // who wants all asks for the list
    list += list.empty() ? "[" : ",";
    list += console::episode_json(episode, directory_);
  }
  for (auto& [tenant, list] : by_tenant) publish_("episodes", tenant, list + ']');
}

base::Result<void> Platform::put_notices(db::Connection& connection, const alarm::Changes& changes) {
  MH_TRY_VOID(notifier_->notices(notices_of(changes, directory_), connection));
  return notifier_->acknowledged(taken_note_of(changes), connection);
}

// The office is on the console's thread, which shows what it knows; it is drained first, so that the page ends with
// all.
base::Result<void> Platform::start_console() {
  auto options = MH_TRY(console_options());
  MH_TRY_VOID(start_notifier());
  loops_.push_back(MH_TRY(LoopThread::create("console")));
  auto& loop = loops_.back()->loop();
  auto office = MH_TRY((ask<base::Result<std::unique_ptr<office::Office>>>(loop, [&] { return make_office(loop); })));
  office_ = office.get();
  const console::ConsoleWorld world{
      *log_, directory_, *database_, office->fleet(), metrics_, disk_, new_thread("lake-queries")};
  options.gateway_heard = [office = office.get()](const std::string& gateway) -> std::optional<base::Timestamp> {
    const auto at = office->gateway_heard(gateway);
    return at == base::Timestamp{} ? std::nullopt : std::optional(at);
  };
  auto console = MH_TRY((ask<base::Result<std::unique_ptr<console::Console>>>(
      loop, [&] { return console::Console::create(loop, world, std::move(options)); })));
  console_ = console.get();
  console_loop_ = &loop;
  auto& waiting = new_thread("episodes");
  run_on(loop, [&] {
    publish_ = console->publisher();
    console::add_office_lists(
        *console,
        {.episodes = office_->episodes(),
         .directory = directory_,
         .clock = clock_,
         .database = *database_,
         .waiting = waiting,
         .surveyed = [office = office_]() -> const fleet::Surveyed& { return office->surveyed(); },
         .completeness = [office = office_]() -> const fleet::Completeness& { return office->completeness(); },
         .act = [office = office_](auto act, auto done) { office->act(std::move(act), std::move(done)); }});
    page_url_ = console->url();
    page_address_ = console->address();
    https_address_ = console->https_address();
  });
  if (https_address_)
    base::logging::info("https_listens", {{"https", https_address_->text()}, {"ca", tls_.authority_file}});
  using ConsolePart = RolePart<console::Console, &console::Console::drain>;
  parts_.push_back(std::make_unique<ConsolePart>("console", loop, std::move(console)));
  using OfficePart = RolePart<office::Office, &office::Office::drain>;
  parts_.push_back(std::make_unique<OfficePart>("office", loop, std::move(office)));
  return {};
}

}  // namespace meterhub::app
