//! The program as it is typed: what it reads, what it prints, and how it ends.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

const GAP: &str = "use sqlx::PgPool;
pub async fn purge(pool: &PgPool) -> sqlx::Result<()> {
    sqlx::query(\"delete from orders\").execute(pool).await?;
    Ok(())
}
";
const CLEAN: &str = "pub fn nothing() {}\n";
const PACKAGE: &str = "[package]\nname = \"api\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";

fn project(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-rls-audit"));
    command.current_dir(folder).args(args).stdin(Stdio::null());
    for name in ["NO_COLOR", "CLICOLOR_FORCE", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE", "RUSTFLAGS"] {
        command.env_remove(name);
    }
    command
}

struct Run {
    status: i32,
    stdout: String,
    stderr: String,
}

impl Run {
    fn of(output: Output) -> Self {
        Self {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn run(folder: &TempDir, args: &[&str]) -> Run {
    Run::of(command(folder.path(), args).output().unwrap())
}

fn report(folder: &TempDir, args: &[&str]) -> Value {
    let run = run(folder, &[args, &["--format", "json"]].concat());
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", run.stdout, run.stderr))
}

/// The files that have a statement, in order.
fn files_with_statements(report: &Value) -> Vec<String> {
    let statements = report["statements"].as_array().unwrap().iter();
    let mut files: Vec<String> = statements.map(|row| row["file"].as_str().unwrap().to_owned()).collect();
    files.dedup();
    files
}

mod discovery {
    use super::*;

    #[test]
    fn a_workspace_is_its_members_own_code() {
        let folder = project(&[
            ("Cargo.toml", "[workspace]\nmembers = [\"api\", \"web\"]\nresolver = \"3\"\n"),
            ("api/Cargo.toml", PACKAGE),
            ("api/src/lib.rs", GAP),
            ("api/src/vendor/mod.rs", GAP),
            ("api/tests/it.rs", GAP),
            ("api/tests/common/mod.rs", GAP),
            ("api/benches/speed.rs", GAP),
            ("api/fixtures/case.rs", GAP),
            ("api/vendor/dep/src/lib.rs", GAP),
            ("api/target/debug/out.rs", GAP),
            ("api/generated/ignored.rs", GAP),
            (".gitignore", "generated/\n"),
            ("web/Cargo.toml", &PACKAGE.replace("api", "web")),
            ("web/src/main.rs", &format!("fn main() {{}}\n{GAP}")),
            ("fuzz/Cargo.toml", &format!("{}[workspace]\n", PACKAGE.replace("api", "fuzz"))),
            ("fuzz/src/main.rs", GAP),
        ]);
        let whole = ["api/src/lib.rs", "api/src/vendor/mod.rs", "web/src/main.rs"];
        assert_eq!(files_with_statements(&report(&folder, &[])), whole);
        let all_targets = files_with_statements(&report(&folder, &["--all-targets"]));
        let tests: Vec<_> = all_targets.iter().filter(|file| !whole.contains(&file.as_str())).collect();
        assert_eq!(tests, ["api/benches/speed.rs", "api/tests/common/mod.rs", "api/tests/it.rs"]);
        assert_eq!(files_with_statements(&report(&folder, &["-p", "web"])), ["web/src/main.rs"]);
        assert_eq!(files_with_statements(&report(&folder, &["--exclude", "api"])), ["web/src/main.rs"]);
        let named = files_with_statements(&report(&folder, &["api/fixtures", "api/tests/it.rs"]));
        assert_eq!(named, ["api/fixtures/case.rs", "api/tests/it.rs"]);
        // A workspace of its own is its own root.
        assert_eq!(files_with_statements(&report(&folder, &["fuzz"])), ["src/main.rs"]);
    }

    /// What one file of a module imports, the others see; their functions are the module's.
    #[test]
    fn included_files_are_part_of_the_module_that_includes_them() {
        let main = "mod orders {
    use rls_runtime::with_tenant;
    use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};
    include!(\"parts/writing.rs\");
    include!(\"parts/handlers.rs\");
}
mod invoices {
    include!(\"parts/invoices.rs\");
}
fn main() {}
";
        let writing = "async fn remove(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    db.execute_unprepared(\"delete from orders\").await?;
    Ok(())
}
";
        let handlers = "pub struct Orders {
    db: DatabaseConnection,
}
impl Orders {
    async fn clear(&self, tenant: TenantId) -> Result<(), DbErr> {
        with_tenant(&self.db, tenant, async |tx| remove(&tx).await).await
    }
}
";
        let invoices = "async fn remove(db: &sea_orm::DatabaseConnection) -> Result<(), sea_orm::DbErr> {
    sea_orm::ConnectionTrait::execute_unprepared(db, \"delete from invoices\").await?;
    Ok(())
}
";
        let folder = project(&[
            ("Cargo.toml", PACKAGE),
            ("src/main.rs", main),
            ("src/parts/writing.rs", writing),
            ("src/parts/handlers.rs", handlers),
            ("src/parts/invoices.rs", invoices),
        ]);
        let report = report(&folder, &[]);
        let rows = report["statements"].as_array().unwrap().iter();
        let verdicts: Vec<_> =
            rows.map(|row| (row["function"].as_str().unwrap(), row["verdict"].as_str().unwrap())).collect();
        assert_eq!(verdicts, [("invoices::remove", "gap"), ("orders::remove", "scoped")]);
    }

    #[test]
    fn a_workspace_is_found_from_below_and_by_manifest_path() {
        let folder = project(&[("Cargo.toml", PACKAGE), ("src/lib.rs", GAP), ("deep/er/x.txt", "")]);
        let below = Run::of(command(&folder.path().join("deep/er"), &["--format", "short"]).output().unwrap());
        assert!(below.stdout.starts_with("src/lib.rs:3:5: error[RLS001]: "), "{}", below.stdout);
        let elsewhere = tempfile::tempdir().unwrap();
        let manifest = folder.path().join("Cargo.toml");
        let by_path = run(&elsewhere, &["--format", "short", "--manifest-path", manifest.to_str().unwrap()]);
        assert_eq!(by_path.stdout, below.stdout);
    }

    #[test]
    fn plain_files_and_folders_need_no_manifest() {
        let folder = project(&[("code/a.rs", GAP), ("code/tests/b.rs", GAP), ("other.rs", GAP)]);
        assert_eq!(files_with_statements(&report(&folder, &[])), ["code/a.rs", "other.rs"]);
        assert_eq!(files_with_statements(&report(&folder, &["code"])), ["a.rs"]);
        assert_eq!(files_with_statements(&report(&folder, &["code/a.rs", "other.rs"])), ["code/a.rs", "other.rs"]);
    }

    #[test]
    fn a_checkout_of_several_packages_needs_no_manifest_at_its_root() {
        let folder = project(&[
            ("one/Cargo.toml", PACKAGE),
            ("one/src/lib.rs", GAP),
            ("one/tests/it.rs", GAP),
            ("two/Cargo.toml", &PACKAGE.replace("api", "two")),
            ("two/src/lib.rs", GAP),
        ]);
        assert_eq!(files_with_statements(&report(&folder, &[])), ["one/src/lib.rs", "two/src/lib.rs"]);
    }

    #[test]
    fn a_broken_manifest_hides_no_file_and_is_told() {
        let folder = project(&[("Cargo.toml", "[package]\nname = \n"), ("src/lib.rs", GAP)]);
        let report = report(&folder, &[]);
        assert_eq!(files_with_statements(&report), ["src/lib.rs"]);
        assert_eq!(report["blind_spots"][0]["file"], "Cargo.toml");
    }

    #[test]
    fn what_keeps_cargo_from_a_workspace_is_told_without_paths_of_this_machine() {
        let manifest = PACKAGE.replace("2024", "2077").replace("2021", "2077");
        assert!(manifest.contains("2077"), "the edition of the package is not known here");
        let folder = project(&[("Cargo.toml", &manifest), ("src/lib.rs", GAP)]);
        let report = report(&folder, &[]);
        let reason = report["blind_spots"][0]["reason"].as_str().unwrap();
        assert!(reason.contains("manifest at `Cargo.toml`: ") && reason.contains("2077"), "{reason}");
    }

    #[test]
    fn standard_input_stands_for_one_file() {
        use std::io::Write;
        let folder = project(&[("Cargo.toml", PACKAGE), ("src/lib.rs", "mod other;\n"), ("src/other.rs", GAP)]);
        let with_text = |file: &str, text: &str| {
            let mut command = command(folder.path(), &["--stdin-filename", file, "--format", "short"]);
            let mut child =
                command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
            Run::of(child.wait_with_output().unwrap())
        };
        assert_eq!(with_text("src/other.rs", CLEAN).stdout, "");
        let unsaved = with_text("src/new.rs", GAP);
        let files: Vec<_> = unsaved.stdout.lines().map(|line| line.split(':').next().unwrap()).collect();
        assert_eq!(files, ["src/new.rs", "src/other.rs"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_and_bytes_that_are_no_text_are_survived() {
        let folder = project(&[("src/lib.rs", GAP)]);
        let src = folder.path().join("src");
        std::os::unix::fs::symlink(&src, src.join("again")).unwrap();
        std::os::unix::fs::symlink(src.join("lib.rs"), src.join("alias.rs")).unwrap();
        std::os::unix::fs::symlink(src.join("gone"), src.join("broken.rs")).unwrap();
        // No code can be behind these.
        std::os::unix::fs::symlink("LICENSE", src.join("LICENSE")).unwrap();
        std::os::unix::fs::symlink("/nonexistent/store", src.join("result")).unwrap();
        let mut bytes = GAP.as_bytes().to_vec();
        bytes.extend(b"// \xFF\n");
        std::fs::write(src.join("latin.rs"), bytes).unwrap();
        let report = report(&folder, &[]);
        assert_eq!(files_with_statements(&report), ["src/latin.rs", "src/lib.rs"]);
        let blind: Vec<_> =
            report["blind_spots"].as_array().unwrap().iter().map(|spot| spot["file"].as_str().unwrap()).collect();
        assert_eq!(blind, ["src/again", "src/broken.rs", "src/latin.rs"]);
        assert_eq!(run(&folder, &["--allow", "all"]).status, 0);
        assert_eq!(run(&folder, &["--allow", "all", "--deny", "blind-spot"]).status, 1);
    }
}

mod exit_status {
    use super::*;

    #[test]
    fn zero_is_clean_one_is_denied() {
        let folder = project(&[("bad.rs", GAP), ("good.rs", CLEAN)]);
        assert_eq!(run(&folder, &["good.rs"]).status, 0);
        assert_eq!(run(&folder, &["bad.rs"]).status, 1);
        assert_eq!(run(&folder, &["bad.rs", "--warn", "RLS001"]).status, 0);
        assert_eq!(run(&folder, &["bad.rs", "--allow", "unscoped-query"]).stdout.lines().count(), 2);
        assert_eq!(run(&folder, &["bad.rs", "--warn", "all", "--deny", "rls001"]).status, 1);
    }

    #[test]
    fn two_is_a_mistake_and_nothing_is_written() {
        let folder = project(&[("bad.rs", GAP), ("rules.toml", "schema = 1\n[scop]\n"), ("not.json", "{")]);
        let cases: [(&[&str], &str); 9] = [
            (&["--deny", "RLS01"], "write `--deny RLS001`"),
            (&["nowhere.rs"], "`nowhere.rs` cannot be read"),
            (&["--manifest-path", "bad.rs"], "is not a Cargo.toml file"),
            (&["--format", "jsno"], "did you mean `json`?"),
            (&["--unknown-flag"], "--unknown-flag"),
            (&["-p", "api"], "package `api` is not a member"),
            (&["--rules", "rules.toml"], "unknown key `scop`"),
            (&["--baseline", "not.json"], "EOF while parsing"),
            (&["--format", "json", "--format", "human"], "give one of them a file"),
        ];
        for (args, expected) in cases {
            let run = run(&folder, &[args, &["--format", "json=out.json"]].concat());
            assert_eq!(run.status, 2, "{args:?}: {}", run.stderr);
            assert!(run.stderr.contains(expected), "{args:?}: {}", run.stderr);
            assert_eq!(run.stdout, "", "{args:?}");
            assert!(!folder.path().join("out.json").exists(), "{args:?}");
        }
    }

    #[test]
    fn nothing_to_audit_is_a_mistake() {
        let folder = project(&[("docs/readme.md", "")]);
        for (args, expected) in
            [(&[][..], "no Cargo.toml and no Rust file"), (&["docs"], "no Rust or SQL file in `docs`")]
        {
            let run = run(&folder, args);
            assert_eq!((run.status, run.stdout.as_str()), (2, ""), "{args:?}");
            assert!(run.stderr.contains(expected), "{}", run.stderr);
        }
    }

    #[test]
    fn a_mistake_in_the_rules_is_shown_in_the_users_file() {
        let folder = project(&[
            ("rls-audit.toml", "schema = 1\n[[scope.guard]]\ncal = \"begin\"\nhandle = \"return\"\n"),
            ("a.rs", GAP),
        ]);
        let run = run(&folder, &["--color", "never"]);
        assert_eq!(run.status, 2);
        for part in ["error: unknown key `cal`", "rls-audit.toml:3:1", "cal = \"begin\"", "help: write `call`"] {
            assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
        }
    }

    #[test]
    fn an_editor_gets_the_mistake_as_a_diagnostic() {
        let folder = project(&[("Cargo.toml", PACKAGE), ("rls-audit.toml", "schema = 7\n"), ("src/lib.rs", CLEAN)]);
        let run = run(&folder, &["--message-format=json"]);
        assert_eq!(run.status, 2);
        let messages: Vec<_> =
            cargo_metadata::Message::parse_stream(run.stdout.as_bytes()).collect::<Result<_, _>>().unwrap();
        let cargo_metadata::Message::CompilerMessage(message) = &messages[0] else { panic!("{}", run.stdout) };
        assert_eq!(message.message.message, "schema 7 is not known");
        let span = &message.message.spans[0];
        assert!(span.file_name.ends_with("rls-audit.toml"), "{}", span.file_name);
        assert_eq!((span.byte_start, span.byte_end, span.line_start, span.column_start), (9, 10, 1, 10));
    }
}

mod names {
    use super::*;

    #[test]
    fn cargo_may_call_it_or_the_user() {
        let folder = project(&[("a.rs", GAP)]);
        let direct = run(&folder, &["--format", "short"]);
        for args in [
            &["rls-audit", "--format", "short"][..],
            &["check", "--format", "short"],
            &["rls-audit", "check", ".", "--format=short"],
        ] {
            let other = run(&folder, args);
            assert_eq!((other.status, &other.stdout), (1, &direct.stdout), "{args:?}");
        }
        for args in [&["--help"][..], &["rls-audit", "--help"], &["check", "-h"], &["--version"]] {
            assert_eq!(run(&folder, args).status, 0, "{args:?}");
        }
    }

    #[test]
    fn everything_that_help_lists_works() {
        let folder = project(&[("a.rs", GAP)]);
        let help = run(&folder, &["--help"]).stdout;
        let commands = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
        let names: Vec<&str> = commands.lines().filter_map(|line| line.split_whitespace().next()).collect();
        assert!(names.contains(&"check") && names.contains(&"explain"), "{names:?}");
        for name in names {
            assert_eq!(run(&folder, &[name, "--help"]).status, 0, "{name}");
        }
    }

    #[test]
    fn explain_prints_the_page_of_every_lint() {
        let folder = project(&[]);
        for lint in rls_audit::lints::LINTS {
            for word in [lint.code.to_lowercase().as_str(), lint.name] {
                let page = run(&folder, &["explain", word]).stdout;
                assert!(page.starts_with(&format!("# {} {}", lint.code, lint.name)), "{word}: {page}");
            }
        }
        let unknown = run(&folder, &["explain", "unscoped-qeury"]);
        assert_eq!(unknown.status, 2);
        assert!(unknown.stderr.contains("write `cargo rls-audit explain unscoped-query`"), "{}", unknown.stderr);
    }

    #[test]
    fn rules_print_what_is_active_and_load_again() {
        let folder =
            project(&[("rls-audit.toml", "schema = 1\n[[scope.guard]]\ncall = \"begin_as\"\nhandle = \"tuple:0\"\n")]);
        let printed = run(&folder, &["rules"]);
        assert!(printed.stdout.starts_with("# the shipped rules, extended by rls-audit.toml\n"), "{}", printed.stdout);
        let rules: rls_audit::rules::Rules = toml::from_str(&printed.stdout).unwrap();
        assert_eq!(rules.scope.guards[0].call, "begin_as");
        assert_eq!(rules.packs.len(), 8);
    }

    #[test]
    fn trace_says_what_was_seen() {
        let folder = project(&[("a.rs", GAP)]);
        let trace = run(&folder, &["trace", "a.rs:3"]).stdout;
        for part in ["executed by `execute` on line 3", "handle: `pool` (pool)", "verdict: gap", "RLS001"] {
            assert!(trace.contains(part), "{part}: {trace}");
        }
        assert_eq!(run(&folder, &["trace", "a.rs"]).status, 2);
        assert_eq!(run(&folder, &["trace", "b.rs:3"]).status, 2);
        assert!(run(&folder, &["trace", "a.rs:1"]).stdout.contains("no statement on this line"));
    }
}

mod outputs {
    use super::*;

    #[test]
    fn several_formats_in_one_run() {
        let folder = project(&[("a.rs", GAP)]);
        let run = run(&folder, &["--format", "json=r.json", "--format", "markdown=r.md", "--format", "short"]);
        assert_eq!(run.stdout.lines().count(), 1, "{}", run.stdout);
        let json = std::fs::read_to_string(folder.path().join("r.json")).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["schema"], "rls-audit/1");
        let markdown = std::fs::read_to_string(folder.path().join("r.md")).unwrap();
        assert!(markdown.contains("- `a.rs:3`"), "{markdown}");
    }

    #[test]
    fn the_same_input_gives_the_same_bytes() {
        let folder = project(&[("a.rs", GAP), ("b.rs", GAP), ("c.rs", GAP)]);
        let once = run(&folder, &["--format", "json", "-j", "1"]).stdout;
        let again = run(&folder, &["--format", "json", "-j", "4"]).stdout;
        assert_eq!(once, again);
        let timed = report(&folder, &["--stats"]);
        assert!(timed["summary"]["elapsed_ms"].is_u64());
    }

    #[test]
    fn every_line_for_an_editor_is_cargos() {
        let folder = project(&[("Cargo.toml", PACKAGE), ("src/lib.rs", GAP)]);
        let args = "--workspace --message-format=json-diagnostic-rendered-ansi --keep-going --all-targets --all-features --target-dir t";
        let run = run(&folder, &args.split(' ').collect::<Vec<_>>());
        let messages: Vec<_> =
            cargo_metadata::Message::parse_stream(run.stdout.as_bytes()).collect::<Result<_, _>>().unwrap();
        assert_eq!(messages.len(), 2, "{}", run.stdout);
        let cargo_metadata::Message::CompilerMessage(message) = &messages[0] else { panic!("{}", run.stdout) };
        assert!(message.package_id.repr.contains("api@0.1.0"), "{}", message.package_id.repr);
        assert_eq!(message.message.code.as_ref().unwrap().code, "rls_audit::unscoped_query");
        assert_eq!(message.target.name, "api");
        assert!(message.message.rendered.as_ref().unwrap().contains('\u{1b}'));
    }

    #[test]
    fn cargos_own_messages_come_first() {
        let folder = project(&[
            ("Cargo.toml", PACKAGE),
            ("src/lib.rs", "pub fn broken() -> u8 { \"text\" }\n"),
            ("src/a.rs", ""),
        ]);
        let run = run(&folder, &["--with", "check", "--message-format=json", "--offline"]);
        let messages: Vec<_> =
            cargo_metadata::Message::parse_stream(run.stdout.as_bytes()).collect::<Result<_, _>>().unwrap();
        let rustc = messages.iter().any(|message| match message {
            cargo_metadata::Message::CompilerMessage(message) => message.message.message == "mismatched types",
            _ => false,
        });
        assert!(rustc, "{}{}", run.stdout, run.stderr);
        let ends: Vec<_> =
            messages.iter().filter(|message| matches!(message, cargo_metadata::Message::BuildFinished(_))).collect();
        assert_eq!(ends.len(), 1);
        assert_eq!(run.status, 1);
    }

    #[test]
    fn the_inventory_keeps_a_document_up_to_date() {
        let folder = project(&[("a.rs", GAP), ("plan.md", "# Plan\n\nWritten by hand.\n")]);
        assert_eq!(run(&folder, &["inventory", "--update", "plan.md"]).status, 0);
        let document = || std::fs::read_to_string(folder.path().join("plan.md")).unwrap();
        let first = document();
        assert!(first.starts_with("# Plan\n\nWritten by hand.\n") && first.contains("- `a.rs:3`"), "{first}");
        run(&folder, &["inventory", "--update", "plan.md"]);
        assert_eq!(document(), first);
        std::fs::write(folder.path().join("a.rs"), format!("\n\n{GAP}")).unwrap();
        run(&folder, &["inventory", "--update", "plan.md"]);
        assert_eq!(document(), first.replace("a.rs:3", "a.rs:5"));
    }

    #[test]
    fn github_gets_annotations_and_a_summary() {
        let folder = project(&[("a.rs", GAP)]);
        let summary = folder.path().join("summary.md");
        let mut command = command(folder.path(), &["--format", "github"]);
        let run = Run::of(command.env("GITHUB_STEP_SUMMARY", &summary).output().unwrap());
        assert!(run.stdout.starts_with("::error file=a.rs,line=3,endLine=3,col=5,"), "{}", run.stdout);
        assert!(std::fs::read_to_string(summary).unwrap().contains("| error | RLS001 unscoped-query | `a.rs:3` |"));
    }
}

mod exceptions {
    use super::*;

    fn statuses(report: &Value) -> Vec<(String, String)> {
        let findings = report["findings"].as_array().unwrap().iter();
        let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
        findings.map(|row| (text(row, "code"), text(row, "status"))).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(code, status)| ((*code).to_owned(), (*status).to_owned())).collect()
    }

    #[test]
    fn a_baseline_survives_moved_lines_and_reformatting() {
        let folder = project(&[("a.rs", GAP)]);
        let written = run(&folder, &["baseline", "--write", "--reason", "before the audit"]);
        assert_eq!(written.status, 0, "{}", written.stderr);
        let args = ["--baseline", "rls-audit-baseline.json"];
        assert_eq!(statuses(&report(&folder, &args)), pairs(&[("RLS001", "baselined")]));
        let moved = GAP.replace("    sqlx::query(\"delete from orders\").execute(pool)", "\n\n    // moved\n    sqlx::query(\n        \"delete from orders\",\n    )\n        .execute(pool)\n        ");
        std::fs::write(folder.path().join("a.rs"), moved).unwrap();
        assert_eq!(statuses(&report(&folder, &args)), pairs(&[("RLS001", "baselined")]));
        assert_eq!(run(&folder, &args).status, 0);
        std::fs::write(folder.path().join("b.rs"), GAP).unwrap();
        assert_eq!(run(&folder, &args).status, 1);
    }

    #[test]
    fn a_baseline_entry_that_matches_nothing_is_told_and_goes_when_written_anew() {
        let folder = project(&[("a.rs", GAP), ("b.rs", GAP)]);
        run(&folder, &["baseline", "--write", "--reason", "old debt"]);
        std::fs::write(folder.path().join("a.rs"), CLEAN).unwrap();
        let args = ["--baseline", "rls-audit-baseline.json"];
        let expected = pairs(&[("RLS001", "baselined"), ("RLS901", "open")]);
        assert_eq!(statuses(&report(&folder, &args)), expected);
        run(&folder, &["baseline", "--write"]);
        assert_eq!(statuses(&report(&folder, &args)), pairs(&[("RLS001", "baselined")]));
        let text = std::fs::read_to_string(folder.path().join("rls-audit-baseline.json")).unwrap();
        assert!(text.contains("old debt"), "{text}");
    }

    #[test]
    fn a_baseline_that_somebody_else_wrote_is_read_as_json() {
        let entry = |fingerprint: &str| {
            format!(
                "{{\"reason\":\"{}\",\"fingerprint\":\"{fingerprint}\",\"code\":\"RLS001\",\"file\":\"a.rs\",\"function\":\"f\",\"statement\":\"s\"}}",
                "\u{e4}".repeat(300)
            )
        };
        for length in [199, 200] {
            let escaped = format!("\\u0041{}", "b".repeat(length));
            let entries = [entry(&escaped), entry("c")].join(",");
            let baseline = format!("{{\"schema\":\"rls-audit-baseline/1\",\"findings\":[{entries}]}}");
            let folder = project(&[("a.rs", CLEAN), ("b.json", &baseline)]);
            let expected = pairs(&[("RLS901", "open"), ("RLS901", "open")]);
            assert_eq!(statuses(&report(&folder, &["--baseline", "b.json"])), expected);
        }
    }

    #[test]
    fn two_alike_statements_are_two_entries() {
        let twice =
            GAP.replace("    Ok(())", "    sqlx::query(\"delete from orders\").execute(pool).await?;\n    Ok(())");
        let folder = project(&[("a.rs", GAP)]);
        run(&folder, &["baseline", "--write"]);
        std::fs::write(folder.path().join("a.rs"), twice).unwrap();
        let expected = pairs(&[("RLS001", "baselined"), ("RLS001", "open")]);
        assert_eq!(statuses(&report(&folder, &["--baseline", "rls-audit-baseline.json"])), expected);
    }

    #[test]
    fn a_row_of_the_rules_excepts_and_is_told_when_it_does_not() {
        let rules = "schema = 1\n[[exempt]]\nlint = \"unscoped-query\"\npaths = [\"admin\"]\nreason = \"reads all tenants\"\n\
                     [[exempt]]\nfunction = \"nobody\"\nreason = \"gone\"\n[[scope.guard]]\ncall = \"never_called\"\nhandle = \"return\"\n";
        let folder = project(&[("rls-audit.toml", rules), ("admin/a.rs", GAP), ("b.rs", GAP)]);
        let report = report(&folder, &[]);
        let expected = pairs(&[("RLS001", "allowed"), ("RLS001", "open"), ("RLS901", "open"), ("RLS901", "open")]);
        assert_eq!(statuses(&report), expected);
        let places: Vec<_> = report["findings"].as_array().unwrap()[2..]
            .iter()
            .map(|row| (row["file"].as_str().unwrap(), row["line"].as_u64().unwrap()))
            .collect();
        assert_eq!(places, [("rls-audit.toml", 6), ("rls-audit.toml", 10)]);
    }

    #[test]
    fn a_part_of_the_project_calls_no_row_stale() {
        let rules = "schema = 1\n[[exempt]]\npaths = [\"admin\"]\nreason = \"reads all tenants\"\n";
        let folder = project(&[("rls-audit.toml", rules), ("admin/a.rs", GAP), ("b.rs", GAP)]);
        assert_eq!(statuses(&report(&folder, &["b.rs"])), pairs(&[("RLS001", "open")]));
    }

    #[test]
    fn a_lint_that_is_off_calls_no_row_stale() {
        let rules = "schema = 1\n[[exempt]]\nlint = \"RLS001\"\npaths = [\"a.rs\"]\nreason = \"by design\"\n\
                     [[exempt]]\npaths = [\"a.rs\"]\nreason = \"by design\"\n";
        let folder = project(&[("rls-audit.toml", rules), ("a.rs", GAP)]);
        assert_eq!(statuses(&report(&folder, &["--allow", "RLS001"])), []);
    }

    #[test]
    fn a_comment_for_two_lints_is_judged_where_both_are() {
        let helper = "// rls-audit: allow(RLS001, RLS003, reason = \"maintenance\")\n".to_owned() + HELPER;
        let folder = project(&[("a.rs", &helper), ("b.rs", &UNSCOPED_CALLER.replace("helper", "a"))]);
        assert_eq!(statuses(&report(&folder, &[])), pairs(&[("RLS003", "allowed")]));
        assert_eq!(statuses(&report(&folder, &["a.rs"])), [], "the caller was not read");
    }

    const TEST: &str = "use sqlx::PgPool;
pub async fn seed(pool: &PgPool) {
    let mut tx = open_for_test(pool).await;
    sqlx::query(\"select 1 from orders\").execute(&mut *tx).await.unwrap();
    sqlx::query(\"delete from orders\").execute(pool).await.unwrap();
}
";

    #[test]
    fn what_is_for_tests_is_not_stale_where_tests_are_left_out() {
        let rules = "schema = 1\n[[exempt]]\npaths = [\"tests\"]\nreason = \"test data\"\n\
                     [[exempt]]\nfunction = \"seed\"\nreason = \"test data\"\n\
                     [[exempt]]\npaths = [\"test\"]\nreason = \"gone\"\n\
                     [[scope.guard]]\ncall = \"open_for_test\"\nhandle = \"return\"\n";
        let folder = project(&[("rls-audit.toml", rules), ("src/lib.rs", CLEAN), ("tests/it.rs", TEST)]);
        assert_eq!(statuses(&report(&folder, &[])), pairs(&[("RLS901", "open")]), "only the row of no file");
        let of_tests = statuses(&report(&folder, &["--all-targets"]));
        assert!(!of_tests.contains(&("RLS001".to_owned(), "open".to_owned())), "{of_tests:?}");
    }

    #[test]
    fn a_baseline_of_tests_is_judged_with_tests() {
        let inside = format!("#[cfg(test)]\nmod tests {{\n{GAP}}}\n");
        let folder = project(&[("src/lib.rs", &inside), ("tests/it.rs", GAP)]);
        run(&folder, &["baseline", "--write", "--all-targets"]);
        let args = ["--baseline", "rls-audit-baseline.json"];
        assert_eq!(statuses(&report(&folder, &args)), []);
        std::fs::write(folder.path().join("tests/it.rs"), CLEAN).unwrap();
        let expected = pairs(&[("RLS901", "open"), ("RLS001", "baselined")]);
        assert_eq!(statuses(&report(&folder, &[&args[..], &["--all-targets"]].concat())), expected);
    }
}

const HELPER: &str = "pub async fn purge(conn: &mut sqlx::PgConnection) -> sqlx::Result<()> {
    sqlx::query(\"delete from orders\").execute(conn).await?;
    Ok(())
}
";
const SCOPED_CALLER: &str = "use rls_runtime::{TenantId, with_tenant};
pub async fn nightly(pool: &sqlx::PgPool, tenant: TenantId) -> sqlx::Result<()> {
    with_tenant(pool, tenant, async |mut tx| crate::helper::purge(&mut tx).await).await
}
";
const UNSCOPED_CALLER: &str = "pub async fn at_once(pool: &sqlx::PgPool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    crate::helper::purge(&mut conn).await
}
";

fn git(folder: &TempDir, args: &[&str]) {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"];
    let output = Command::new("git").current_dir(folder.path()).args(identity).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn under_git() -> TempDir {
    let lib = "mod helper;\nmod nightly;\nmod old;\n";
    let files =
        [("src/lib.rs", lib), ("src/helper.rs", HELPER), ("src/nightly.rs", SCOPED_CALLER), ("src/old.rs", GAP)];
    let folder = project(&[&[("Cargo.toml", PACKAGE)], &files[..]].concat());
    git(&folder, &["init", "-q"]);
    git(&folder, &["add", "-A"]);
    git(&folder, &["commit", "-qm", "first"]);
    folder
}

#[test]
fn diff_leaves_old_findings_out() {
    let folder = under_git();
    assert_eq!(run(&folder, &["--format", "short"]).status, 1);
    let unchanged = run(&folder, &["--diff", "HEAD", "--format", "short"]);
    assert_eq!((unchanged.status, unchanged.stdout.contains("RLS001")), (0, false), "{}", unchanged.stdout);
}

#[test]
fn diff_finds_what_a_new_caller_brought_to_an_old_helper() {
    let folder = under_git();
    std::fs::write(folder.path().join("src/at_once.rs"), UNSCOPED_CALLER).unwrap();
    std::fs::write(folder.path().join("src/lib.rs"), "mod at_once;\nmod helper;\nmod nightly;\nmod old;\n").unwrap();
    let changed = run(&folder, &["--diff", "HEAD", "--format", "short"]);
    assert_eq!(changed.status, 1, "{}{}", changed.stdout, changed.stderr);
    assert!(changed.stdout.contains("src/helper.rs:2:5: error[RLS003]"), "{}", changed.stdout);
    assert!(!changed.stdout.contains("src/old.rs"), "{}", changed.stdout);
}

#[test]
fn diff_knows_what_was_only_moved() {
    let folder = under_git();
    std::fs::write(folder.path().join("src/lib.rs"), "mod helper;\nmod moved;\nmod nightly;\n").unwrap();
    git(&folder, &["mv", "src/old.rs", "src/moved.rs"]);
    let moved = run(&folder, &["--diff", "HEAD", "--format", "short"]);
    assert_eq!((moved.status, moved.stdout.as_str()), (0, ""), "{}", moved.stderr);
}

#[test]
fn diff_leaves_out_what_was_stale_before() {
    let folder = under_git();
    run(&folder, &["baseline", "--write"]);
    std::fs::write(folder.path().join("src/old.rs"), CLEAN).unwrap();
    let since = |revision| run(&folder, &["--baseline", "rls-audit-baseline.json", "--diff", revision]);
    assert_eq!(since("HEAD").status, 1, "the change made the entry stale");
    git(&folder, &["commit", "-qam", "second"]);
    assert_eq!(since("HEAD").status, 0, "it was stale before");
    assert_eq!(since("HEAD~1").status, 1);
}

#[test]
fn diff_of_an_unknown_revision_is_a_mistake() {
    let folder = under_git();
    let wrong = run(&folder, &["--diff", "nowhere"]);
    assert_eq!(wrong.status, 2);
    assert!(wrong.stderr.contains("`nowhere` is no revision"), "{}", wrong.stderr);
}

#[test]
fn stats_say_what_was_inferred_and_why() {
    let guard = "use sqlx::{PgPool, Postgres, Transaction};
pub async fn begin_tenant(pool: &PgPool, tenant: String) -> sqlx::Result<Transaction<'static, Postgres>> {
    let mut tx = pool.begin().await?;
    sqlx::query(\"select set_config('app.tenant_id', $1, true)\").bind(tenant).execute(&mut *tx).await?;
    Ok(tx)
}
pub async fn purge(pool: &PgPool, tenant: String) -> sqlx::Result<()> {
    let mut tx = begin_tenant(pool, tenant).await?;
    sqlx::query(\"delete from orders\").execute(&mut *tx).await?;
    tx.commit().await
}
";
    let folder = project(&[("Cargo.toml", PACKAGE), ("src/lib.rs", guard)]);
    let stats = run(&folder, &["--stats"]);
    assert!(stats.stdout.contains("guard `begin_tenant` (return) binds the tenant by setting"), "{}", stats.stdout);
    assert!(stats.stdout.contains("at src/lib.rs:2"), "{}", stats.stdout);
    let written = run(&folder, &["init", "--print"]);
    assert!(
        written.stdout.contains("[[scope.guard]]\ncall = \"begin_tenant\"\nhandle = \"return\""),
        "{}",
        written.stdout
    );
    let rules = folder.path().join("own.toml");
    std::fs::write(&rules, &written.stdout).unwrap();
    assert_eq!(run(&folder, &["--rules", "own.toml"]).status, 0, "what `init` writes is a rules file");
}
