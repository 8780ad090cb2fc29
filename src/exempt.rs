//! A program and a schema in; statements that touch no tenant data are marked exempt, with the reason.

use crate::program::{Cover, Program};
use crate::rules::TableRules;
use crate::schema::{Schema, exemption};
use crate::sql::TableName;

/// Marks statements outside a scope that touch only tables known to hold no tenant data, and those of migrations written in Rust.
pub fn exempt(program: &mut Program, schema: &Schema, rules: &TableRules) {
    let tenancies = schema.tenancies(rules);
    for statement in &mut program.statements {
        if matches!(statement.cover, Cover::Scoped(_) | Cover::Bypass(_) | Cover::Exempt(_)) {
            continue;
        }
        if schema.is_in_migration(statement.place) {
            statement.cover = Cover::Exempt("is part of a migration".to_owned());
            continue;
        }
        if !statement.tables_known {
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

    /// The verdicts of sea-orm statements, one a line.
    fn built(body: &str) -> Vec<&'static str> {
        let rust = format!(
            "use sea_orm::{{DatabaseConnection, EntityTrait}};\nasync fn f(db: &DatabaseConnection) {{\n{body}\n}}\n"
        );
        let entity = "use sea_orm::entity::prelude::*;\n#[derive(DeriveEntityModel)]\n#[sea_orm(table_name = \"currencies\")]\npub struct Model {}";
        let migration = "use sea_orm_migration::prelude::*;\npub struct M;\nimpl MigrationTrait for M {\nasync fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {\nmanager.get_connection().execute_unprepared(\"create table lines (tenant_id uuid)\").await?;\nOk(())\n}\n}";
        let sources = Sources::from_texts([
            ("migrations/1.sql", SQL),
            ("src/currency.rs", entity),
            ("src/m1.rs", migration),
            ("src/repository.rs", rust.as_str()),
        ]);
        let rules: Rules = toml::from_str(include_str!("../rules.toml")).unwrap();
        let verdict = audit(sources, &rules, &AuditOptions::default());
        assert!(
            verdict.schema.table(&crate::sql::TableName::parse("lines")).is_some(),
            "the Rust migration is replayed"
        );
        verdict.program.statements.iter().map(|statement| statement.cover.verdict()).collect()
    }

    #[test]
    fn builders_are_exempt_only_where_all_tables_are_in_sight() {
        let verdicts = built(
            "currency::Entity::find().all(db).await.unwrap();
             currency::Entity::find().find_also_related(orders::Entity).all(db).await.unwrap();
             orders::Entity::find().all(db).await.unwrap();",
        );
        assert_eq!(verdicts, ["exempt", "exempt", "gap", "gap"], "the migration comes first");
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
