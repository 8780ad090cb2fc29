//! Two tables in, one out: lists grow, tables merge, anything else is replaced.

use toml::{Table, Value};

/// Extends the shipped table by the project's. Rows of one list with the same `name` (packs) become one row.
pub fn extend(mut base: Table, own: Table) -> Table {
    for (key, value) in own {
        let merged = match (base.remove(&key), value) {
            (Some(Value::Table(base)), Value::Table(own)) => Value::Table(extend(base, own)),
            (Some(Value::Array(base)), Value::Array(own)) => Value::Array(lists(base, own)),
            (_, own) => own,
        };
        base.insert(key, merged);
    }
    base
}

fn lists(mut base: Vec<Value>, own: Vec<Value>) -> Vec<Value> {
    for value in own {
        let same_pack = base.iter().position(|known| is_same_pack(known, &value));
        match (same_pack, value) {
            (Some(at), Value::Table(own)) => {
                let known = std::mem::replace(&mut base[at], Value::Boolean(false));
                if let Value::Table(known) = known {
                    base[at] = Value::Table(extend(known, own));
                }
            }
            (_, value) if value.is_str() && base.contains(&value) => {}
            (_, value) => base.push(value),
        }
    }
    base
}

/// Areas have names too, but two areas of one name are two paragraphs; what makes a pack is that it names no risk.
fn is_same_pack(known: &Value, own: &Value) -> bool {
    let name = |value: &Value| value.get("name").and_then(Value::as_str).map(str::to_owned);
    known.get("risk").is_none() && name(known).is_some() && name(known) == name(own)
}
