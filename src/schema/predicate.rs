//! One condition of a policy in, what is weak about it out.
//!
//! The condition is evaluated in three-valued logic for a row of which nothing is known, once for each way in which the tenant can be missing.
//! A session that never set it reads NULL, one that set it in an earlier transaction reads the empty string.

use sqlparser::ast::{
    BinaryOperator, CastKind, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Query, SelectItem,
    SetExpr, UnaryOperator, Value as Literal,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::Schema;
use crate::sql::TableName;

/// Conditions longer than this are not read: their tree could be too deep to walk.
const LONGEST: usize = 8_000;

/// Trees deeper than this are not walked to the end; what lies deeper counts as unknown.
const DEEPEST: usize = 120;

/// What is weak about a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weakness {
    /// Every row fulfils it, whatever is set.
    AlwaysTrue,
    /// Every row fulfils it when the tenant is not set.
    MissingTenantMatches,
}

/// What is weak about a condition; an error where it cannot be read.
pub fn weakness(condition: &str, schema: &Schema) -> Result<Option<Weakness>, String> {
    if condition.len() > LONGEST {
        return Err("the condition is too long to be judged".to_owned());
    }
    let expression = parse(condition).ok_or("the condition is not understood")?;
    let holds = |settings| {
        let mut evaluation = Evaluation { schema, settings, depth: 0, functions: 0 };
        evaluation.value(&expression) == Value::Bool(true)
    };
    Ok(match () {
        () if holds(Settings::Unknown) => Some(Weakness::AlwaysTrue),
        () if holds(Settings::Null) || holds(Settings::Empty) => Some(Weakness::MissingTenantMatches),
        () => None,
    })
}

fn parse(condition: &str) -> Option<Expr> {
    let mut parser = Parser::new(&PostgreSqlDialect {}).try_with_sql(condition).ok()?;
    parser.parse_expr().ok()
}

/// What `current_setting` gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Settings {
    Unknown,
    Null,
    Empty,
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Null,
    Bool(bool),
    Text(String),
    /// An error ends the statement, so nothing matches.
    Error,
    /// Something of the row: the same text is the same value.
    Column(String),
    Unknown,
}

struct Evaluation<'a> {
    schema: &'a Schema,
    settings: Settings,
    /// How many expressions and functions deep.
    depth: usize,
    functions: usize,
}

impl Evaluation<'_> {
    fn value(&mut self, expression: &Expr) -> Value {
        if self.depth >= DEEPEST {
            return Value::Unknown;
        }
        self.depth += 1;
        let value = self.value_of(expression);
        self.depth -= 1;
        value
    }

    fn value_of(&mut self, expression: &Expr) -> Value {
        match expression {
            Expr::Value(value) => literal(&value.value),
            Expr::Identifier(name) => Value::Column(name.value.to_lowercase()),
            Expr::CompoundIdentifier(parts) => {
                parts.last().map_or(Value::Unknown, |name| Value::Column(name.value.to_lowercase()))
            }
            Expr::Nested(inner) => self.value(inner),
            Expr::Cast { expr, kind, data_type, .. } => {
                let value = self.value(expr);
                let is_text = matches!(data_type.to_string().to_lowercase().as_str(), "text" | "varchar" | "char");
                match value {
                    // `''::uuid` is an error, and so is `''::int`.
                    Value::Text(text) if text.is_empty() && !is_text && *kind != CastKind::TryCast => Value::Error,
                    other => other,
                }
            }
            Expr::IsNull(inner) => is_null(&self.value(inner)),
            Expr::IsNotNull(inner) => not(is_null(&self.value(inner))),
            Expr::IsTrue(inner) => definitely(&self.value(inner), true),
            Expr::IsFalse(inner) => definitely(&self.value(inner), false),
            Expr::IsNotTrue(inner) => not(definitely(&self.value(inner), true)),
            Expr::IsNotFalse(inner) => not(definitely(&self.value(inner), false)),
            Expr::IsDistinctFrom(left, right) => not(self.same(left, right)),
            Expr::IsNotDistinctFrom(left, right) => self.same(left, right),
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => not(self.value(expr)),
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right),
            Expr::InList { expr, list, negated } => {
                let needle = self.value(expr);
                let any = list.iter().fold(Value::Bool(false), |any, item| or(any, equal(&needle, &self.value(item))));
                if *negated { not(any) } else { any }
            }
            Expr::Case { operand: None, conditions, else_result, .. } => {
                for arm in conditions {
                    match self.value(&arm.condition) {
                        Value::Bool(true) => return self.value(&arm.result),
                        Value::Bool(false) | Value::Null => {}
                        _ => return Value::Unknown,
                    }
                }
                else_result.as_ref().map_or(Value::Null, |result| self.value(result))
            }
            Expr::Subquery(query) => self.subquery(query),
            Expr::Function(function) => self.function(function),
            _ => Value::Unknown,
        }
    }

    fn binary(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Value {
        let (left, right) = (self.value(left), self.value(right));
        match op {
            BinaryOperator::And => not(or(not(left), not(right))),
            BinaryOperator::Or => or(left, right),
            BinaryOperator::Eq => equal(&left, &right),
            BinaryOperator::NotEq => not(equal(&left, &right)),
            _ if left == Value::Error || right == Value::Error => Value::Error,
            _ if left == Value::Null || right == Value::Null => Value::Null,
            _ => Value::Unknown,
        }
    }

    /// `IS NOT DISTINCT FROM`.
    fn same(&mut self, left: &Expr, right: &Expr) -> Value {
        let (left, right) = (self.value(left), self.value(right));
        match (&left, &right) {
            (Value::Null, Value::Null) => Value::Bool(true),
            (Value::Null, Value::Text(_) | Value::Bool(_)) | (Value::Text(_) | Value::Bool(_), Value::Null) => {
                Value::Bool(false)
            }
            (Value::Null, _) | (_, Value::Null) => Value::Unknown,
            _ => equal(&left, &right),
        }
    }

    /// `(SELECT expression)`.
    fn subquery(&mut self, query: &Query) -> Value {
        let SetExpr::Select(select) = query.body.as_ref() else { return Value::Unknown };
        let reads_nothing = query.with.is_none() && select.from.is_empty() && select.selection.is_none();
        match select.projection.as_slice() {
            [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] if reads_nothing => {
                self.value(expr)
            }
            _ => Value::Unknown,
        }
    }

    fn function(&mut self, function: &Function) -> Value {
        let name = function.name.to_string().to_lowercase().replace('"', "");
        let arguments = arguments(function);
        match name.rsplit('.').next().unwrap_or_default() {
            "current_setting" => self.setting(&arguments),
            "coalesce" => {
                for argument in arguments {
                    match self.value(argument) {
                        Value::Null => {}
                        known => return known,
                    }
                }
                Value::Null
            }
            "nullif" => match arguments.as_slice() {
                [left, right] => {
                    let value = self.value(left);
                    if equal(&value, &self.value(right)) == Value::Bool(true) { Value::Null } else { value }
                }
                _ => Value::Unknown,
            },
            _ => self.own_function(&name),
        }
    }

    fn setting(&mut self, arguments: &[&Expr]) -> Value {
        let missing_is_ok = arguments.get(1).is_some_and(|second| self.value(second) == Value::Bool(true));
        match self.settings {
            Settings::Unknown => Value::Unknown,
            Settings::Null if missing_is_ok => Value::Null,
            Settings::Null => Value::Error,
            Settings::Empty => Value::Text(String::new()),
        }
    }

    /// A function of the migrations: one of SQL is looked into, one that reads a setting gives nothing without a tenant.
    fn own_function(&mut self, name: &str) -> Value {
        let schema = self.schema;
        let Some(function) = schema.functions.get(&TableName::parse(name).canonical()) else { return Value::Unknown };
        let is_expression = function.language == "sql" && self.functions < 4 && function.body.len() < LONGEST;
        let body = function.body.trim().trim_end_matches(';');
        if is_expression && let Some(Expr::Subquery(query)) = parse(&format!("({body})")) {
            self.functions += 1;
            let value = self.subquery(&query);
            self.functions -= 1;
            return value;
        }
        let reads_a_setting = !function.settings_read.is_empty() && function.touches.is_empty();
        if reads_a_setting && self.settings != Settings::Unknown { Value::Null } else { Value::Unknown }
    }
}

fn arguments(function: &Function) -> Vec<&Expr> {
    let FunctionArguments::List(list) = &function.args else { return Vec::new() };
    let expression = |argument| match argument {
        &FunctionArg::Unnamed(FunctionArgExpr::Expr(ref expression)) => Some(expression),
        _ => None,
    };
    list.args.iter().filter_map(expression).collect()
}

fn literal(value: &Literal) -> Value {
    match value {
        Literal::Boolean(value) => Value::Bool(*value),
        Literal::Null => Value::Null,
        Literal::Number(number, _) => Value::Text(number.clone()),
        Literal::SingleQuotedString(text) | Literal::EscapedStringLiteral(text) => Value::Text(text.clone()),
        _ => Value::Unknown,
    }
}

fn is_null(value: &Value) -> Value {
    match value {
        Value::Null => Value::Bool(true),
        Value::Bool(_) | Value::Text(_) => Value::Bool(false),
        Value::Error => Value::Error,
        Value::Column(_) | Value::Unknown => Value::Unknown,
    }
}

fn definitely(value: &Value, wanted: bool) -> Value {
    match value {
        Value::Bool(value) => Value::Bool(*value == wanted),
        Value::Null => Value::Bool(false),
        Value::Error => Value::Error,
        _ => Value::Unknown,
    }
}

fn not(value: Value) -> Value {
    match value {
        Value::Bool(value) => Value::Bool(!value),
        Value::Null => Value::Null,
        Value::Error => Value::Error,
        _ => Value::Unknown,
    }
}

fn or(left: Value, right: Value) -> Value {
    match (left, right) {
        (Value::Bool(true), _) | (_, Value::Bool(true)) => Value::Bool(true),
        (Value::Error, _) | (_, Value::Error) => Value::Error,
        (Value::Bool(false), Value::Bool(false)) => Value::Bool(false),
        (Value::Null, Value::Null | Value::Bool(false)) | (Value::Bool(false), Value::Null) => Value::Null,
        _ => Value::Unknown,
    }
}

fn equal(left: &Value, right: &Value) -> Value {
    match (left, right) {
        (Value::Error, _) | (_, Value::Error) => Value::Error,
        (Value::Null, _) | (_, Value::Null) => Value::Null,
        (Value::Text(left), Value::Text(right)) => Value::Bool(left == right),
        (Value::Bool(left), Value::Bool(right)) => Value::Bool(left == right),
        (Value::Column(left), Value::Column(right)) if left == right => Value::Bool(true),
        _ => Value::Unknown,
    }
}
