//! One full text per report format, from a verdict made by hand: what a reader sees is reviewed as text.

use rls_audit::finding::{BlindSpot, Finding, Fix, Level, Mode, Stats, Status, Verdict};
use rls_audit::inventory::Inventory;
use rls_audit::program::{Cover, Place, Program, Scope, ScopeKind, SqlText, Statement, Step};
use rls_audit::report::{Color, Context, Format, Times, Verbosity, cargo_json, github, render};
use rls_audit::rules::{Area, HandleKind};
use rls_audit::source::{SourceFile, Span, Target, to_u32};

const JOBS: &str = "async fn claim(pool: &PgPool) -> Result<Job> {
    // 🐘 the elephant is one character and four bytes
    let job = sqlx::query_as(\"🐘\").fetch_one(pool).await?;
    with_tenant(pool, job.tenant, async |mut tx| {
        sqlx::query(\"update jobs set state = 'running'\")
            .execute(pool)
            .await
    }).await
}
";
const DIGEST: &str = "fn digest(conn: &mut PgConnection) {
\tsqlx::query(\"select 1\").execute(conn);
}
";

fn file(path: &str, text: &str) -> SourceFile {
    let target = Target {
        package: "api".to_owned(),
        package_id: "path+file:///repo/apps/api#api@0.1.0".to_owned(),
        manifest_path: "/repo/apps/api/Cargo.toml".to_owned(),
        name: "api".to_owned(),
        kind: vec!["lib".to_owned()],
        src_path: "/repo/apps/api/src/lib.rs".to_owned(),
        crate_name: "api".to_owned(),
        ..Target::default()
    };
    SourceFile::new(path.to_owned(), text.to_owned(), target)
}

/// The place of a piece of a text, which must occur in it once.
fn place(file: u32, text: &str, piece: &str) -> Place {
    assert_eq!(text.matches(piece).count(), 1, "{piece}");
    let start = text.find(piece).unwrap();
    Place { file, span: Span { start: to_u32(start), end: to_u32(start + piece.len()) } }
}

fn finding(code: &'static str, name: &'static str, place: Place) -> Finding {
    Finding {
        code,
        name,
        level: Level::Deny,
        place,
        message: "`fetch_one` runs on `pool`, outside every tenant scope".to_owned(),
        label: "runs without a tenant".to_owned(),
        related: Vec::new(),
        help: "open a scope around it: `with_tenant(&pool, tenant, async |mut tx| ...)`".to_owned(),
        fix: None,
        function: "jobs::claim".to_owned(),
        tables: vec!["jobs".to_owned()],
        path: Vec::new(),
        is_gap: true,
        status: Status::Open,
        fingerprint: "0123456789abcdef:1".to_owned(),
    }
}

fn findings() -> Vec<Finding> {
    let first_line = place(0, JOBS, "    let job").span.start;
    let unscoped = Finding {
        related: vec![(place(0, JOBS, "pool: &PgPool"), "this pool carries no tenant".to_owned())],
        fix: Some(Fix {
            place: Place { file: 0, span: Span { start: first_line, end: first_line } },
            text: "    // rls-audit: allow(RLS001, reason = \"\")\n".to_owned(),
            title: "allow RLS001 here, with a reason".to_owned(),
        }),
        ..finding("RLS001", "unscoped-query", place(0, JOBS, "sqlx::query_as(\"🐘\").fetch_one(pool)"))
    };
    let escaped = Finding {
        message: "`pool` is used inside the scope opened on line 4".to_owned(),
        label: "not the scope's handle".to_owned(),
        related: vec![(place(0, JOBS, "with_tenant"), "the scope opens here".to_owned())],
        help: "run it on `&mut *tx`".to_owned(),
        ..finding("RLS002", "scope-escape", place(0, JOBS, "sqlx::query(\"update jobs set state = 'running'\")"))
    };
    let query = place(1, DIGEST, "sqlx::query(\"select 1\").execute(conn)");
    let path = Finding {
        level: Level::Warn,
        message: "`conn` comes from a caller without a scope".to_owned(),
        label: "reached without a tenant".to_owned(),
        path: vec![
            Step { function: "worker::run".to_owned(), place: place(0, JOBS, "pool, job.tenant") },
            Step { function: "digest".to_owned(), place: query },
        ],
        ..finding("RLS003", "unscoped-path", query)
    };
    let allowed = Finding { status: Status::Allowed("health check".to_owned()), ..path.clone() };
    let baselined = Finding { status: Status::Baselined, ..path.clone() };
    vec![unscoped, escaped, path, allowed, baselined]
}

fn statement(place: Place, exec: Place, cover: Cover) -> Statement {
    Statement {
        place,
        exec: exec.span,
        api: "sqlx".to_owned(),
        method: "fetch_one".to_owned(),
        handle: "pool".to_owned(),
        handle_span: None,
        handle_kind: Some(HandleKind::Pool),
        cover,
        in_scope_closure: None,
        function: "jobs::claim".to_owned(),
        sql: SqlText::Unknown,
        operation: Some("select".to_owned()),
        tables: vec!["jobs".to_owned()],
        tables_known: true,
        in_macro: false,
        in_test: false,
        trace: Vec::new(),
        through: None,
    }
}

fn verdict() -> Verdict {
    let scope =
        Scope { kind: ScopeKind::Closure, place: Some(place(0, JOBS, "with_tenant")), name: "with_tenant".to_owned() };
    let whole = place(0, JOBS, "sqlx::query_as(\"🐘\").fetch_one(pool)");
    let update = place(0, JOBS, "sqlx::query(\"update jobs set state = 'running'\")\n            .execute(pool)");
    let statements = vec![
        statement(whole, place(0, JOBS, "fetch_one"), Cover::Unscoped),
        statement(update, place(0, JOBS, "execute"), Cover::Escaped(scope, rls_audit::program::Escape::OtherHandle)),
    ];
    Verdict {
        files: vec![file("apps/api/src/jobs.rs", JOBS), file("apps/api/src/digest.rs", DIGEST)],
        program: Program { statements, ..Program::default() },
        schema: rls_audit::schema::Schema::default(),
        findings: findings(),
        blind_spots: vec![BlindSpot {
            file: "apps/api/src/digest.rs".to_owned(),
            line: 2,
            column: 2,
            reason: "expected an expression".to_owned(),
        }],
        stats: Stats { files: 2, parsed: 2, lines: 12, bytes: 400, stages: vec![("parse", 1500)] },
        mode: Mode::Flow,
    }
}

fn areas() -> Vec<Area> {
    let area = |name: &str, path: &str, risk: &str| Area {
        name: name.to_owned(),
        paths: vec![path.to_owned()],
        risk: risk.to_owned(),
    };
    vec![
        area("Notifications", "apps/api/src/digest.rs", "digests fail under force."),
        area("Job claiming and lifecycle", "apps/api/src/jobs*", "queue cannot claim/update jobs under forced RLS."),
    ]
}

fn rendered(format: Format) -> String {
    rendered_as(format, Verbosity::Normal)
}

fn rendered_as(format: Format, verbosity: Verbosity) -> String {
    let (verdict, areas) = (verdict(), areas());
    let context = Context {
        inventory: &Inventory::of(&verdict, &areas),
        areas: &areas,
        color: Color::Plain,
        verbosity,
        times: Times::Hidden,
        path_prefix: "",
    };
    let mut out = Vec::new();
    render(format, &verdict, &context, &mut out).unwrap();
    String::from_utf8(out).unwrap().replace(env!("CARGO_PKG_VERSION"), "[version]")
}

#[test]
fn human() {
    insta::assert_snapshot!(rendered(Format::Human));
}

#[test]
fn human_verbose() {
    insta::assert_snapshot!(rendered_as(Format::Human, Verbosity::Verbose));
}

#[test]
fn quiet_prints_findings_and_no_summary() {
    let (normal, quiet) = (rendered(Format::Human), rendered_as(Format::Human, Verbosity::Quiet));
    let summary = normal.strip_prefix(&quiet).unwrap();
    assert!(summary.starts_with("2 statements in 2 files"), "{summary}");
}

/// A snapshot that no test reads is a lie that nobody notices.
#[test]
fn every_snapshot_has_its_test() {
    let source = include_str!("report.rs");
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(test) = name.strip_prefix("report__").and_then(|name| name.strip_suffix(".snap")) else { continue };
        assert!(source.contains(&format!("fn {test}()")), "{name} belongs to no test");
    }
}

#[test]
fn short() {
    insta::assert_snapshot!(rendered(Format::Short));
}

#[test]
fn json() {
    insta::assert_snapshot!(rendered(Format::Json));
}

#[test]
fn markdown() {
    insta::assert_snapshot!(rendered(Format::Markdown));
}

#[test]
fn github_annotations() {
    insta::assert_snapshot!(rendered(Format::Github));
}

#[test]
fn github_summary() {
    insta::assert_snapshot!(github::summary(&verdict()));
}

fn cargo_lines(verdict: &Verdict) -> String {
    let mut out = Vec::new();
    cargo_json::render(verdict, Color::Plain, &mut out).unwrap();
    cargo_json::finished(false, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn cargo_json_lines() {
    let lines = cargo_lines(&verdict());
    let values: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    insta::assert_snapshot!(serde_json::to_string_pretty(&values).unwrap());
}

/// rust-analyzer reads the lines with these very types and drops what they refuse.
#[test]
fn cargo_reads_every_line() {
    use cargo_metadata::Message;
    let lines = cargo_lines(&verdict());
    let messages: Vec<Message> = Message::parse_stream(lines.as_bytes()).collect::<Result<_, _>>().unwrap();
    assert!(messages.iter().all(|message| !matches!(message, Message::TextLine(_))), "{lines}");
    let diagnostics: Vec<_> = messages
        .iter()
        .filter_map(|message| match message {
            Message::CompilerMessage(message) => Some(message),
            _ => None,
        })
        .collect();
    // Three findings that nobody excepts, and the blind spot.
    assert_eq!(diagnostics.len(), 4);
    for diagnostic in &diagnostics {
        assert_eq!(diagnostic.package_id.repr, "path+file:///repo/apps/api#api@0.1.0");
        let primary: Vec<_> = diagnostic.message.spans.iter().filter(|span| span.is_primary).collect();
        assert_eq!(primary.len(), 1, "{diagnostic:?}");
        assert_eq!(primary[0].text.len(), primary[0].line_end - primary[0].line_start + 1);
    }
    assert!(matches!(messages.last(), Some(Message::BuildFinished(end)) if !end.success));
}

#[test]
fn positions_are_bytes_and_characters() {
    let lines = cargo_lines(&verdict());
    let first: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    let span = &first["message"]["spans"][0];
    let byte = |key: &str| usize::try_from(span[key].as_u64().unwrap()).unwrap();
    assert_eq!(&JOBS[byte("byte_start")..byte("byte_end")], "sqlx::query_as(\"🐘\").fetch_one(pool)");
    assert_eq!((byte("line_start"), byte("column_start")), (3, 15));
    // Characters, where the elephant counts one.
    let line = JOBS.lines().nth(2).unwrap();
    let highlighted: String = line.chars().skip(14).take(byte("column_end") - 15).collect();
    assert_eq!(highlighted, "sqlx::query_as(\"🐘\").fetch_one(pool)");
    assert_eq!(span["text"][0]["text"], line);
}

#[test]
fn every_key_is_there_even_where_it_is_empty() {
    let lines = cargo_lines(&verdict());
    for line in lines.lines().take(4) {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let message = value["message"].as_object().unwrap();
        for key in ["message", "code", "level", "spans", "children", "rendered"] {
            assert!(message.contains_key(key), "{key}: {line}");
        }
        let children = message["children"].as_array().unwrap();
        let spans = message["spans"].as_array().unwrap().iter();
        let spans = spans.chain(children.iter().flat_map(|child| child["spans"].as_array().unwrap()));
        for span in spans {
            for key in [
                "file_name",
                "byte_start",
                "byte_end",
                "line_start",
                "line_end",
                "column_start",
                "column_end",
                "is_primary",
                "text",
                "label",
                "suggested_replacement",
                "suggestion_applicability",
                "expansion",
            ] {
                assert!(span.as_object().unwrap().contains_key(key), "{key}: {line}");
            }
        }
    }
}

#[test]
fn annotations_are_capped_and_say_so() {
    let mut verdict = verdict();
    verdict.findings = std::iter::repeat_n(findings().swap_remove(0), 12).collect();
    verdict.blind_spots.clear();
    let mut out = Vec::new();
    github::render(&verdict, "sub/", &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("::error")).collect();
    assert_eq!(errors.len(), 10);
    assert!(errors[0].contains("file=sub/apps/api/src/jobs.rs,line=3"), "{}", errors[0]);
    assert!(errors[9].contains("3 findings more"), "{}", errors[9]);
}

#[test]
fn a_line_break_or_percent_cannot_end_an_annotation() {
    let mut verdict = verdict();
    verdict.findings.truncate(1);
    verdict.findings[0].message = "100%\r\n::warning::forged".to_owned();
    let mut out = Vec::new();
    github::render(&verdict, "", &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("100%25%0D%0A::warning::forged"), "{text}");
    assert!(!text.lines().any(|line| line.starts_with("::warning::forged")));
}

#[test]
fn allowed_gaps_leave_the_inventory_and_baselined_ones_stay() {
    let mut verdict = verdict();
    verdict.findings.retain(|finding| matches!(finding.status, Status::Allowed(_)));
    assert!(Inventory::of(&verdict, &areas()).is_empty());
    verdict.findings = findings();
    verdict.findings.retain(|finding| finding.status == Status::Baselined);
    let inventory = Inventory::of(&verdict, &areas());
    assert_eq!((inventory.len(), inventory.areas[0].gaps.len()), (1, 1));
}
