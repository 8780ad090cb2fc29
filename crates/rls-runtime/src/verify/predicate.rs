//! A policy's expression in, whether it holds a session to its tenant out, and at what price.
//!
//! An expression is safe when it can be true only for rows of the tenant that the setting names, and is not true while no
//! tenant is set.
//! Everything else is unsafe until shown otherwise: this is a proof by form, not a search for known mistakes.

use super::expr::Expr;

/// What the expression is about.
pub(crate) struct Terms<'a> {
    /// The tenant column of the table.
    pub column: &'a str,
    /// Its type, domains resolved.
    pub column_type: &'a str,
    /// How many characters it holds at most, where that was said.
    pub column_length: Option<i32>,
    /// The setting that carries the tenant.
    pub setting: &'a str,
    /// The body of a user's function without arguments, if it is one expression and may depend on the setting.
    pub body: &'a dyn Fn(&str) -> Option<Expr>,
}

/// What a safe expression is like in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Safe {
    pub slow: Option<Slow>,
    /// What it yields while the session has never had a tenant.
    pub fresh: Missing,
    /// What it yields after the session's first tenant is gone.
    pub later: Missing,
}

/// Why a safe expression costs more than it must.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Slow {
    /// The setting is read once per row.
    PerRow,
    /// The setting is read once, but parsed once per row.
    CastPerRow,
    /// The setting is looked for in a set, so no index on the column serves.
    Set,
    /// The column is converted, so no index on it serves.
    ColumnCast,
}

/// What a comparison with a missing tenant does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Error,
    NoRow,
    /// Compares with the empty text, which a row may hold.
    Empty,
}

/// Judges one expression; the error says what lets it be true for another tenant's row.
pub(crate) fn judge(expr: &Expr, terms: &Terms<'_>) -> Result<Safe, String> {
    match expr {
        Expr::And(sides) => first_safe(sides, terms),
        Expr::Or(sides) => all_safe(sides, terms),
        Expr::IsTrue(inner) => judge(inner, terms),
        Expr::Case(results) => results
            .iter()
            .map(|result| judge(result, terms))
            .reduce(merge)
            .unwrap_or_else(|| Err("it is an empty CASE".into()))
            .map_err(|reason| format!("one result of a `CASE` is open: {reason}")),
        Expr::Bool(false) | Expr::Null => Ok(Safe { slow: None, fresh: Missing::NoRow, later: Missing::NoRow }),
        Expr::Bool(true) => Err("it is true for every row".into()),
        Expr::IsNull(inner) if is_column(inner, terms) => Err("it matches rows that have no tenant".into()),
        Expr::IsNull(_) => Err("it holds for every row while something is missing".into()),
        Expr::Binary(sign, left, right) if sign == "=" => equality(left, right, terms),
        Expr::Any(sign, left, right) if sign == "=" => match strip_casts(right) {
            Expr::Array(items) => items
                .iter()
                .map(|item| equality(left, item, terms))
                .reduce(merge)
                .unwrap_or_else(|| Err("it compares with an empty list".into())),
            Expr::Select(value) => {
                equality(left, value, terms).map(|safe| Safe { slow: safe.slow.max(Some(Slow::Set)), ..safe })
            }
            _ => Err("it compares with a list that may name other tenants".into()),
        },
        Expr::Binary(sign, ..) => Err(format!("it compares by `{sign}`, not by `=`")),
        Expr::Not(inner) if matches!(&**inner, Expr::Binary(sign, ..) if sign == "is distinct from") => {
            Err("a missing tenant matches rows without tenant, and no index serves it".into())
        }
        Expr::Unknown => Err("its form cannot be proven to keep tenants apart".into()),
        _ => Err("it does not compare the tenant column with the setting".into()),
    }
}

/// A conjunction is as safe as its safest side.
fn first_safe(sides: &[Expr], terms: &Terms<'_>) -> Result<Safe, String> {
    let mut first_reason = None;
    for side in sides {
        match judge(side, terms) {
            Ok(safe) => return Ok(safe),
            Err(reason) => _ = first_reason.get_or_insert(reason),
        }
    }
    Err(first_reason.unwrap_or_default())
}

/// A disjunction is only as safe as its weakest side.
fn all_safe(sides: &[Expr], terms: &Terms<'_>) -> Result<Safe, String> {
    sides
        .iter()
        .map(|side| judge(side, terms))
        .reduce(merge)
        .unwrap_or_else(|| Err("it is an empty disjunction".into()))
        .map_err(|reason| format!("one side of an `OR` is open: {reason}"))
}

fn merge(left: Result<Safe, String>, right: Result<Safe, String>) -> Result<Safe, String> {
    let (left, right) = (left?, right?);
    let worse = |a: Missing, b: Missing| if a == Missing::NoRow { b } else { a };
    Ok(Safe {
        slow: left.slow.max(right.slow),
        fresh: worse(left.fresh, right.fresh),
        later: worse(left.later, right.later),
    })
}

fn equality(left: &Expr, right: &Expr, terms: &Terms<'_>) -> Result<Safe, String> {
    let (column, value) = if is_column(left, terms) {
        (left, right)
    } else if is_column(right, terms) {
        (right, left)
    } else {
        return Err("it does not compare the tenant column".into());
    };
    let column_cast = column_cast(column, terms)?;
    if mentions_column(value) {
        return Err("it compares the row with itself".into());
    }
    let fresh = evaluate(value, terms, State::Fresh)?;
    let later = evaluate(value, terms, State::Later)?;
    let slow = match value {
        _ if column_cast => Some(Slow::ColumnCast),
        Expr::Select(_) => None,
        Expr::Cast(inner, _) if matches!(**inner, Expr::Select(_)) => Some(Slow::CastPerRow),
        _ => Some(Slow::PerRow),
    };
    Ok(Safe { slow, fresh: missing(fresh, terms)?, later: missing(later, terms)? })
}

fn is_column(expr: &Expr, terms: &Terms<'_>) -> bool {
    matches!(strip_casts(expr), Expr::Column(name) if name == terms.column)
}

fn strip_casts(mut expr: &Expr) -> &Expr {
    while let Expr::Cast(inner, _) = expr {
        expr = inner;
    }
    expr
}

/// Whether the column is converted, and an error where the conversion merges tenants.
fn column_cast(mut expr: &Expr, terms: &Terms<'_>) -> Result<bool, String> {
    let mut converted = false;
    while let Expr::Cast(inner, target) = expr {
        let free = target == terms.column_type
            || (is_text(terms.column_type) && (target == "text" || target == "character varying"));
        let faithful = free
            || ["text", "character varying", "bigint", "numeric"].contains(&target.as_str())
            || (target == "integer" && terms.column_type == "smallint");
        if !faithful {
            return Err(format!("it converts the tenant column to `{target}`, which may merge tenants"));
        }
        converted |= !free;
        expr = inner;
    }
    Ok(converted)
}

fn mentions_column(expr: &Expr) -> bool {
    match expr {
        Expr::Column(_) => true,
        Expr::Cast(inner, _) | Expr::Select(inner) => mentions_column(inner),
        Expr::Call(_, items) | Expr::Array(items) | Expr::Case(items) => items.iter().any(mentions_column),
        Expr::Binary(_, left, right) => mentions_column(left) || mentions_column(right),
        _ => false,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Fresh,
    Later,
}

/// What a value is while no tenant is set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    Error,
    Null,
    Empty,
    Constant,
}

/// Follows the setting through a value; an error if the value is not made of the setting alone.
fn evaluate(expr: &Expr, terms: &Terms<'_>, state: State) -> Result<Value, String> {
    let value = value_of(expr, terms, state)?;
    if reads_setting(expr, terms) {
        Ok(value)
    } else {
        Err("it compares the tenant column with something other than the setting".into())
    }
}

fn value_of(expr: &Expr, terms: &Terms<'_>, state: State) -> Result<Value, String> {
    match expr {
        Expr::Text(text) if text.is_empty() => Ok(Value::Empty),
        Expr::Text(_) | Expr::Number(_) => Ok(Value::Constant),
        Expr::Null => Ok(Value::Null),
        Expr::Select(inner) => value_of(inner, terms, state),
        Expr::Cast(_, target) if merges_values(target, terms) => {
            Err(format!("it converts the setting to `{target}`, which may merge tenants"))
        }
        Expr::Cast(inner, target) => Ok(match value_of(inner, terms, state)? {
            Value::Empty if !is_text(target) => Value::Error,
            other => other,
        }),
        Expr::Binary(sign, left, right) if ["->", "->>", "#>>"].contains(&sign.as_str()) => {
            match value_of(right, terms, State::Later)? {
                Value::Constant => value_of(left, terms, state),
                _ => Err("it reads a key that is not constant".into()),
            }
        }
        Expr::Call(name, arguments) => call(name, arguments, terms, state),
        Expr::Case(results) => {
            let values = results.iter().map(|result| value_of(result, terms, state));
            let values = values.collect::<Result<Vec<_>, _>>()?;
            // The worst that may happen, as nobody knows which result it will be.
            let worst = [Value::Constant, Value::Empty, Value::Null].into_iter().find(|value| values.contains(value));
            Ok(worst.unwrap_or(Value::Error))
        }
        Expr::Unknown => Err("its form cannot be proven to keep tenants apart".into()),
        _ => Err("it compares the tenant column with something other than the setting".into()),
    }
}

/// Whether two tenants may come out of a conversion as one.
fn merges_values(target: &str, terms: &Terms<'_>) -> bool {
    let (bare, modifier) = target.split_once('(').map_or((target, None), |(bare, rest)| (bare, Some(rest)));
    let length = modifier.and_then(|rest| rest.trim_end_matches(')').parse::<i32>().ok());
    match bare {
        "character varying" | "character" | "bpchar" => {
            length.is_some_and(|length| terms.column_length.is_none_or(|column| length < column))
        }
        "numeric" => modifier.is_some(),
        "real" | "double precision" | "name" | "boolean" | "date" | "money" | "\"char\"" => bare != terms.column_type,
        _ => ["time", "interval", "bit"].iter().any(|start| bare.starts_with(start)),
    }
}

fn call(name: &str, arguments: &[Expr], terms: &Terms<'_>, state: State) -> Result<Value, String> {
    match (name, arguments) {
        ("current_setting", [setting, rest @ ..]) => setting_value(setting, rest, terms, state),
        ("nullif", [value, other]) => Ok(match value_of(value, terms, state)? {
            Value::Empty if value_of(other, terms, state)? == Value::Empty => Value::Null,
            same => same,
        }),
        ("coalesce", values) => {
            let values = values.iter().map(|value| value_of(value, terms, state));
            let values = values.collect::<Result<Vec<_>, _>>()?;
            // A constant counts even where the text before it is never NULL: a NULLIF may make it so for one tenant.
            let constant = values.iter().find(|value| **value == Value::Constant);
            let first = values.iter().find(|value| **value != Value::Null);
            Ok(*constant.or(first).unwrap_or(&Value::Null))
        }
        ("lower" | "upper" | "btrim", _) if is_text(terms.column_type) => {
            Err(format!("`{name}` makes one of tenants whose names differ in case or blanks only"))
        }
        ("lower" | "upper" | "btrim", [value]) => value_of(value, terms, state),
        (user, []) if user.contains('.') => match (terms.body)(user) {
            Some(body) => value_of(&body, terms, state),
            None => Err(format!("it trusts the function `{user}`")),
        },
        _ => Err(format!("it trusts the function `{name}`")),
    }
}

fn setting_value(setting: &Expr, rest: &[Expr], terms: &Terms<'_>, state: State) -> Result<Value, String> {
    let Expr::Text(name) = strip_casts(setting) else {
        return Err("it reads a setting whose name is computed".into());
    };
    if !name.eq_ignore_ascii_case(terms.setting) {
        return Err(format!("it reads the setting `{name}`, not `{}`", terms.setting));
    }
    let quiet = match rest {
        [] | [Expr::Bool(false)] => false,
        [Expr::Bool(true)] => true,
        _ => return Err("it reads the setting in an unknown way".into()),
    };
    Ok(match state {
        State::Later => Value::Empty,
        State::Fresh if quiet => Value::Null,
        State::Fresh => Value::Error,
    })
}

fn reads_setting(expr: &Expr, terms: &Terms<'_>) -> bool {
    match expr {
        Expr::Cast(inner, _) | Expr::Select(inner) => reads_setting(inner, terms),
        Expr::Binary(_, left, _) => reads_setting(left, terms),
        Expr::Case(results) => {
            let mut told = results.iter().filter(|result| !matches!(strip_casts(result), Expr::Null)).peekable();
            told.peek().is_some() && told.all(|result| reads_setting(result, terms))
        }
        Expr::Call(name, _) if name == "current_setting" => true,
        // Only the first argument of these reaches the result while a tenant is set.
        Expr::Call(_, arguments) if !arguments.is_empty() => reads_setting(&arguments[0], terms),
        Expr::Call(user, _) => (terms.body)(user).is_some_and(|body| reads_setting(&body, terms)),
        _ => false,
    }
}

fn missing(value: Value, terms: &Terms<'_>) -> Result<Missing, String> {
    match value {
        Value::Error => Ok(Missing::Error),
        Value::Null => Ok(Missing::NoRow),
        Value::Empty if is_text(terms.column_type) => Ok(Missing::Empty),
        Value::Empty => Ok(Missing::NoRow),
        Value::Constant => Err("a missing tenant counts as a constant one".into()),
    }
}

/// Whether the empty text is a value of the type.
pub(crate) fn is_text(sql_type: &str) -> bool {
    let bare = sql_type.split('(').next().unwrap_or_default();
    ["text", "character varying", "character", "bpchar", "name", "citext"].contains(&bare)
}

#[cfg(test)]
mod tests {
    use super::super::expr::parse;
    use super::*;

    fn judged(text: &str) -> Result<Safe, String> {
        judged_as(text, "uuid")
    }

    fn judged_as(text: &str, column_type: &str) -> Result<Safe, String> {
        let body = |name: &str| {
            (name == "app.tenant").then(|| parse("(NULLIF(current_setting('app.tenant_id', true), ''))::uuid"))
        };
        let terms =
            Terms { column: "tenant_id", column_type, column_length: Some(36), setting: "app.tenant_id", body: &body };
        judge(&parse(text), &terms)
    }

    #[test]
    fn safe_forms_and_what_they_cost() {
        use Missing::{Error, NoRow};
        use Slow::{CastPerRow, ColumnCast, PerRow};
        for (text, slow, fresh, later) in [
            ("(tenant_id = ( SELECT (current_setting('app.tenant_id'::text))::uuid AS x))", None, Error, Error),
            ("(( SELECT (current_setting('APP.tenant_id'::text))::uuid AS x) = tenant_id)", None, Error, Error),
            (
                "(tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS \"nullif\"))",
                None,
                NoRow,
                NoRow,
            ),
            ("(tenant_id = (current_setting('app.tenant_id'::text))::uuid)", Some(PerRow), Error, Error),
            (
                "(tenant_id = (( SELECT current_setting('app.tenant_id'::text, true) AS c))::uuid)",
                Some(CastPerRow),
                NoRow,
                Error,
            ),
            ("((tenant_id)::text = current_setting('app.tenant_id'::text))", Some(ColumnCast), Error, NoRow),
            ("(tenant_id = ANY (ARRAY[(current_setting('app.tenant_id'::text))::uuid]))", Some(PerRow), Error, Error),
            (
                "(tenant_id = (COALESCE(current_setting('app.tenant_id'::text, true), ''::text))::uuid)",
                Some(PerRow),
                Error,
                Error,
            ),
            ("((deleted_at IS NULL) AND (tenant_id = ( SELECT app.tenant() AS tenant)))", None, NoRow, NoRow),
            ("false", None, NoRow, NoRow),
            (
                "((EXISTS ( SELECT 1 FROM g.m)) AND (tenant_id = ( SELECT (current_setting('app.tenant_id'::text))::uuid AS x)))",
                None,
                Error,
                Error,
            ),
            (
                "CASE WHEN (current_setting('app.tenant_id'::text, true) = ''::text) THEN false ELSE (tenant_id = (current_setting('app.tenant_id'::text))::uuid) END",
                Some(PerRow),
                Error,
                Error,
            ),
            (
                "(tenant_id = ( SELECT CASE WHEN (x = 1) THEN NULL::uuid ELSE (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid END AS \"case\"))",
                None,
                NoRow,
                NoRow,
            ),
        ] {
            let got = judged(text);
            // A text comparison of a uuid column with the empty text finds nothing.
            assert_eq!(got, Ok(Safe { slow, fresh, later }), "{text}");
        }
    }

    #[test]
    fn unsafe_forms() {
        for text in [
            "true",
            "((tenant_id = (current_setting('app.tenant_id'::text))::uuid) OR (tenant_id IS NULL))",
            "((tenant_id = (current_setting('app.tenant_id'::text))::uuid) OR (current_setting('app.tenant_id'::text, true) IS NULL))",
            "((tenant_id = (current_setting('app.tenant_id'::text))::uuid) OR (CURRENT_USER = 'x'::name))",
            "(tenant_id = (current_setting('app.other'::text))::uuid)",
            "(tenant_id = (COALESCE(current_setting('app.tenant_id'::text, true), '00000000-0000-0000-0000-000000000000'::text))::uuid)",
            "(tenant_id = (COALESCE(NULLIF(current_setting('app.tenant_id'::text), 'a'::text), 'b'::text))::uuid)",
            "(tenant_id = COALESCE((current_setting('app.tenant_id'::text, true))::uuid, tenant_id))",
            "(tenant_id = '00000000-0000-0000-0000-000000000000'::uuid)",
            "(tenant_id = COALESCE('00000000-0000-0000-0000-000000000000'::uuid, (current_setting('app.tenant_id'::text))::uuid))",
            "(tenant_id = tenant_id)",
            "(owner_id = (current_setting('app.tenant_id'::text))::uuid)",
            "(tenant_id <> (current_setting('app.tenant_id'::text))::uuid)",
            "(tenant_id IS NOT NULL)",
            "(NOT (tenant_id IS DISTINCT FROM (current_setting('app.tenant_id'::text, true))::uuid))",
            "(tenant_id = ANY ((string_to_array(current_setting('app.tenant_id'::text), ','::text))::uuid[]))",
            "(tenant_id = public.tenant())",
            "(EXISTS ( SELECT 1 FROM g.m))",
            "(tenant_id = ( SELECT m.tenant_id FROM g.members m))",
            "((tenant_id = (current_setting('app.tenant_id'::text))::uuid) OR (EXISTS ( SELECT 1 FROM g.m)))",
            "(NOT (EXISTS ( SELECT 1 FROM g.m)))",
            "CASE WHEN (x = 1) THEN true ELSE (tenant_id = (current_setting('app.tenant_id'::text))::uuid) END",
            "(tenant_id = CASE WHEN (x = 1) THEN '00000000-0000-0000-0000-000000000000'::uuid ELSE (current_setting('app.tenant_id'::text))::uuid END)",
            "(tenant_id = CASE WHEN (x = 1) THEN tenant_id ELSE (current_setting('app.tenant_id'::text))::uuid END)",
            "((tenant_id)::character varying(8) = current_setting('app.tenant_id'::text))",
            "(NOT (tenant_id = (current_setting('app.tenant_id'::text))::uuid))",
        ] {
            assert!(judged(text).is_err(), "{text}: {:?}", judged(text));
        }
    }

    #[test]
    fn a_conversion_that_merges_tenants_is_unsafe() {
        for (column_type, value, safe) in [
            ("text", "(current_setting('app.tenant_id'::text))::character varying(36)", true),
            ("text", "(current_setting('app.tenant_id'::text))::character varying(8)", false),
            ("text", "(current_setting('app.tenant_id'::text))::name", false),
            ("text", "lower(current_setting('app.tenant_id'::text))", false),
            ("bigint", "(lower(current_setting('app.tenant_id'::text)))::bigint", true),
            ("bigint", "((current_setting('app.tenant_id'::text))::numeric)::bigint", true),
            ("bigint", "((current_setting('app.tenant_id'::text))::real)::bigint", false),
            ("bigint", "((current_setting('app.tenant_id'::text))::numeric(4,0))::bigint", false),
        ] {
            let judged = judged_as(&format!("(tenant_id = {value})"), column_type);
            assert_eq!(judged.is_ok(), safe, "{value}: {judged:?}");
        }
    }

    #[test]
    fn the_empty_text_is_a_tenant_of_a_text_column() {
        let quiet = judged_as("(tenant_id = current_setting('app.tenant_id'::text, true))", "text");
        assert_eq!(quiet.unwrap().later, Missing::Empty);
        let cast = judged_as(
            "((tenant_id)::text = ( SELECT current_setting('app.tenant_id'::text) AS c))",
            "character varying",
        );
        assert_eq!(cast.unwrap().slow, None);
    }
}
