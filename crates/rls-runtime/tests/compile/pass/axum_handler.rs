//! A scope in an axum handler, borrowing from its surroundings.
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use rls_runtime::{RlsPool, TenantId, TenantTx, with_tenant};

enum Failed {
    Sql(sqlx::Error),
    Scope(rls_runtime::Error),
    NoSuchTenant,
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        Failed::Sql(error)
    }
}

impl From<rls_runtime::Error> for Failed {
    fn from(error: rls_runtime::Error) -> Self {
        Failed::Scope(error)
    }
}

impl axum::response::IntoResponse for Failed {
    fn into_response(self) -> axum::response::Response {
        let message = match self {
            Failed::Sql(error) => error.to_string(),
            Failed::Scope(error) => error.to_string(),
            Failed::NoSuchTenant => String::from("no such tenant"),
        };
        (StatusCode::INTERNAL_SERVER_ERROR, message).into_response()
    }
}

fn parse(tenant: &str) -> Result<TenantId, Failed> {
    tenant.parse().map_err(|_| Failed::NoSuchTenant)
}

async fn load(tx: &mut TenantTx, prefix: &str) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT note FROM orders WHERE starts_with(note, $1)").bind(prefix).fetch_all(&mut *tx).await
}

async fn list(State(pool): State<RlsPool>, Path(tenant): Path<String>) -> Result<Json<Vec<String>>, Failed> {
    let prefix = String::from("a");
    let notes = with_tenant(&pool, parse(&tenant)?, async |mut tx| {
        let found = load(&mut tx, &prefix).await?;
        Ok::<_, Failed>(found)
    })
    .await?;
    Ok(Json(notes))
}

async fn add(State(pool): State<RlsPool>, Path(tenant): Path<String>, note: String) -> Result<(), Failed> {
    with_tenant(&pool, parse(&tenant)?, async |mut tx| {
        sqlx::query("INSERT INTO orders VALUES ($1, 1, $2)").bind(tx.tenant()).bind(&note).execute(&mut *tx).await?;
        Ok(())
    })
    .await
}

fn main() {
    let _router: Router<RlsPool> = Router::new().route("/{tenant}", get(list)).route("/{tenant}/add", post(add));
}
