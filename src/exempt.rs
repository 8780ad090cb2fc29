//! A program and a schema in; statements that touch no tenant data are marked exempt, with the reason.

use crate::program::{Cover, Program};
use crate::rules::TableRules;
use crate::schema::{Schema, exemption};
use crate::sql::TableName;

/// Marks statements outside a scope that touch only tables known to hold no tenant data.
pub fn exempt(program: &mut Program, schema: &Schema, rules: &TableRules) {
    let tenancies = schema.tenancies(rules);
    for statement in &mut program.statements {
        let needs_scope = !matches!(statement.cover, Cover::Scoped(_) | Cover::Bypass(_) | Cover::Exempt(_))
            && statement.tables_known;
        if !needs_scope {
            continue;
        }
        let tables: Vec<TableName> = statement.tables.iter().map(|table| TableName::parse(table)).collect();
        if let Some(reason) = exemption(&tenancies, &tables) {
            statement.trace.push(format!("tables: {reason}"));
            statement.cover = Cover::Exempt(reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::audit::{AuditOptions, audit};
    use crate::discover::Sources;
    use crate::rules::Rules;

    const SQL: &str = "create table orders (tenant_id uuid, id uuid); create table currencies (code text);
                       create view codes as select code from currencies;";

    fn verdicts(query: &str) -> Vec<&'static str> {
        let rust = format!(
            "use sqlx::PgPool;\nasync fn f(pool: &PgPool) -> sqlx::Result<()> {{\n    sqlx::query({query:?}).execute(pool).await?;\n    Ok(())\n}}\n"
        );
        let sources = Sources::from_texts([("migrations/1.sql", SQL), ("src/lib.rs", rust.as_str())]);
        let mut rules: Rules = toml::from_str(include_str!("../rules.toml")).unwrap();
        rules.tables.exempt.push("settings".to_owned());
        let verdict = audit(sources, &rules, &AuditOptions::default());
        verdict.program.statements.iter().map(|statement| statement.cover.verdict()).collect()
    }

    #[test]
    fn only_tables_that_are_known_to_hold_none_are_exempt() {
        for (query, expected) in [
            ("select code from currencies", "exempt"),
            ("select code from public.codes", "exempt"),
            ("select * from settings", "exempt"),
            ("select * from pg_class", "exempt"),
            ("insert into currencies values ('x')", "exempt"),
            ("select * from orders", "gap"),
            ("select * from orders join currencies on true", "gap"),
            ("select * from nobody_knows", "gap"),
        ] {
            assert_eq!(verdicts(query), [expected], "{query}");
        }
    }
}
