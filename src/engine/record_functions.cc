#include <array>

#include "functions.h"
#include "json_check.h"

namespace meterhub::engine {
namespace {

using Args = std::span<const Value>;

// GetType: what the value is, as text; NULL for NULL.
Value get_type(Evaluator&, const sql::Expr&, Args args) {
  return args[0].is_null() ? args[0] : Value::characters(kind_name(args[0].kind));
}

Value coalesce(Evaluator&, const sql::Expr&, Args args) {
  for (const auto& arg : args) {
    if (!arg.is_null()) return arg;
  }
  return Value::null();
}

Value null_if(Evaluator& in, const sql::Expr&, Args args) {
  return in.compare(args[0], args[1]) == 0 ? Value::null() : args[0];
}

base::Result<std::vector<Value>> elements(Evaluator& in, const Value& array) {
  return in.reader().elements(array.text);
}

Value get_array_element(Evaluator& in, const sql::Expr&, Args args) {
  if (any_null(args)) return Value::null();
  if (args[0].kind != Kind::kArray) return in.fail("GetArrayElement of a " + std::string(kind_name(args[0].kind)));
  const auto index = in.to_bigint(args[1]);
  const auto all = elements(in, args[0]);
  if (index.is_null() || !all) return Value::null();
  if (index.integer < 0 || index.integer >= static_cast<std::int64_t>(all->size())) return Value::null();
  return keep((*all)[static_cast<std::size_t>(index.integer)], in.arena());
}

Value get_array_length(Evaluator& in, const sql::Expr&, Args args) {
  if (args[0].is_null()) return Value::null();
  if (args[0].kind != Kind::kArray) return in.fail("GetArrayLength of a " + std::string(kind_name(args[0].kind)));
  const auto all = elements(in, args[0]);
  return all ? Value::bigint(static_cast<std::int64_t>(all->size())) : Value::null();
}

Value get_record_property(Evaluator& in, const sql::Expr&, Args args) {
  if (any_null(args)) return Value::null();
  if (args[0].kind != Kind::kRecord) return in.fail("GetRecordPropertyValue of a " + std::string(kind_name(args[0].kind)));
  const std::string name(in.to_text(args[1]).text);
  return field_of(args[0], std::span(&name, 1), in.reader(), in.arena());
}

Value metadata(Evaluator& in, const sql::Expr& call, Args args) {
  const auto& source = *call.args[0];
  const auto* const of = in.source(source.kind == sql::ExprKind::kColumn ? source.column.source : source.source).metadata;
  const auto name = lower_case(args[1].text);
  if (of == nullptr) return Value::null();
  if (name == "eventid") {
    const auto id = std::string(of->input) + "/" + std::to_string(of->partition) + "/" + std::to_string(of->offset);
    return Value::characters(in.arena().keep(id));
  }
  if (name == "partitionid") return Value::bigint(of->partition);
  if (name == "offset" || name == "sequencenumber") return Value::bigint(static_cast<std::int64_t>(of->offset));
  if (name == "eventenqueuedutctime" || name == "iothub.enqueuedtime") return Value::datetime(of->arrival);
  if (name == "iothub.connectiondeviceid" && !of->device.empty()) return Value::characters(of->device);
  return Value::null();
}

// The value of a JSON text. The array around it makes one of every kind of value.
Value json_parse(Evaluator& in, const sql::Expr&, Args args) {
  if (args[0].is_null()) return args[0];
  const auto text = in.to_text(args[0]).text;
  if (const auto fault = json_fault(text); !fault.empty()) return in.fail("JSON_PARSE: " + std::string(fault));
  const auto all = in.reader().elements('[' + std::string(text) + ']');
  if (!all || all->size() != 1) return in.fail("JSON_PARSE of what is not JSON");
  return keep(all->front(), in.arena());
}

constexpr std::array kKernels{
    Kernel{sql::FunctionId::kGetType, get_type},
    Kernel{sql::FunctionId::kCoalesce, coalesce},
    Kernel{sql::FunctionId::kNullIf, null_if},
    Kernel{sql::FunctionId::kJsonParse, json_parse},
    Kernel{sql::FunctionId::kGetArrayElement, get_array_element},
    Kernel{sql::FunctionId::kGetArrayLength, get_array_length},
    Kernel{sql::FunctionId::kGetRecordPropertyValue, get_record_property},
    Kernel{sql::FunctionId::kGetMetadataPropertyValue, metadata},
};

}  // namespace

std::span<const Kernel> record_kernels() { return kKernels; }

}  // namespace meterhub::engine
