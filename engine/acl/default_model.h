#pragma once

namespace tidemark::acl {

// The access model used when none is configured: who (certificate subject or "*"), on what
// ("topic:<name>", "cluster"; a trailing * matches any rest), may do which action (or "*").
inline constexpr char kDefaultModel[] = R"([request_definition]
r = sub, obj, act

[policy_definition]
p = sub, obj, act

[policy_effect]
e = some(where (p.eft == allow))

[matchers]
m = (p.sub == "*" || r.sub == p.sub) && keyMatch(r.obj, p.obj) && (p.act == "*" || r.act == p.act)
)";

}  // namespace tidemark::acl
