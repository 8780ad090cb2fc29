//! A database URL in, what lets one tenant reach another's rows out.
//!
//! Exit status: 0 clean, 1 findings, 2 cannot connect or bad usage.

use std::process::ExitCode;
use std::str::FromStr;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use rls_runtime::verify::{Allow, GlobalTable, Options, find_check, report, self_test::self_test, verify};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};

/// Verify that a PostgreSQL database keeps its tenants apart by row-level security.
#[derive(Parser)]
#[command(
    name = "rls-verify",
    version,
    after_help = "Exit status: 0 clean, 1 findings, 2 cannot connect or bad usage."
)]
struct Arguments {
    /// The database to verify, best as a superuser or as its owner
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL", required_unless_present = "explain")]
    database_url: Option<String>,
    /// A role that the service runs as; deduced if none is given
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// The column that holds the tenant
    #[arg(long, default_value = "tenant_id", value_name = "COLUMN")]
    tenant_column: String,
    /// The setting that carries the tenant
    #[arg(long, default_value = "app.tenant_id", value_name = "SETTING")]
    tenant_setting: String,
    /// A table without tenant data, as `schema.table` or `schema.table(column, …)` to pin its columns
    #[arg(long = "global-table", value_name = "TABLE", value_parser = GlobalTable::from_str)]
    global_tables: Vec<GlobalTable>,
    /// Accept what checks find, as `V08,P2:public.doorbell=reason`
    #[arg(long = "allow", value_name = "CHECK[,CHECK]…[:OBJECT]=REASON", value_parser = Allow::from_str)]
    allows: Vec<Allow>,
    /// A tenant that exists; two make the probes more telling
    #[arg(long = "tenant", value_name = "TENANT")]
    tenants: Vec<String>,
    /// Read the catalogs only, and try nothing as the runtime roles
    #[arg(long)]
    no_probe: bool,
    /// Plant defects in a scratch copy of the schema, which is rolled back, and fail if one is missed
    #[arg(long)]
    self_test: bool,
    /// Print what a check is about, and do nothing else
    #[arg(long, value_name = "CHECK")]
    explain: Option<String>,
    /// How to print
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Human,
    Json,
    Sarif,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime.context("no runtime").and_then(|runtime| runtime.block_on(run(arguments)));
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    if let Some(id) = &arguments.explain {
        let check = find_check(id).with_context(|| format!("there is no check `{id}`"))?;
        print(&format!("{}\n", check.page()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let url = arguments.database_url.unwrap_or_default();
    let url: PgConnectOptions = url.parse().context("bad database URL")?;
    let mut connection =
        url.application_name("rls-verify").disable_statement_logging().connect().await.context("cannot connect")?;
    let mut options = Options::default();
    options.roles = arguments.roles;
    options.tenant_column = arguments.tenant_column;
    options.tenant_setting = arguments.tenant_setting;
    options.global_tables = arguments.global_tables;
    options.allows = arguments.allows;
    options.tenants = arguments.tenants;
    options.probe = !arguments.no_probe;
    let code = if arguments.self_test {
        test(&mut connection, &options).await?
    } else {
        let found = verify(&mut connection, &options).await.context("cannot verify")?;
        let text = match arguments.format {
            Format::Human => report::human(&found),
            Format::Json => report::json(&found),
            Format::Sarif => report::sarif(&found),
        };
        print(&text)?;
        ExitCode::from(u8::from(!found.is_clean()))
    };
    connection.close().await.context("cannot close the connection")?;
    Ok(code)
}

async fn test(connection: &mut PgConnection, options: &Options) -> anyhow::Result<ExitCode> {
    let result = self_test(connection, options).await.context("cannot plant defects")?;
    let lines =
        |word: &str, list: &[String]| -> String { list.iter().map(|label| format!("{word} {label}\n")).collect() };
    let summary = format!(
        "{} defects planted and found, {} missed, {} not planted\n",
        result.found.len(),
        result.missed.len(),
        result.skipped.len()
    );
    print(&(lines("missed", &result.missed) + &lines("not planted", &result.skipped) + &summary))?;
    let proven = result.missed.is_empty() && !result.found.is_empty();
    Ok(ExitCode::from(u8::from(!proven)))
}

/// Prints without a panic when the reader is gone.
fn print(text: &str) -> anyhow::Result<()> {
    use std::io::Write;
    std::io::stdout().write_all(text.as_bytes()).context("cannot print")
}
