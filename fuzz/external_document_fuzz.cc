// Documents of a connector outside: whatever comes leaves a record, and nothing in it is believed that it may not claim.
#include <meterhub/reading/external_documents.h>

#include "input.h"

MH_FUZZER(external_document, input) {
  using namespace meterhub;
  static const reading::Profiles profiles;
  static base::Metrics metrics;
  static reading::ExternalDocuments documents({}, profiles, metrics);
  static const registry::Directory nobody;
  const auto text = input.text();
  const auto document = documents.parse(text);
  fuzz::require(document.text == text && !document.answer.proven && document.answer.session.value == 0 && document.answer.meter.value == 0);
  fuzz::require(document.answer.kind != lorawan::AnswerKind::kJoin);
  log::Appends out;
  documents.append(nobody.view(), document, {}, out);
  fuzz::require(out.size() == 1);
}
