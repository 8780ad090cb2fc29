use rls_audit::{audit, discover, rules};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let cwd = std::path::PathBuf::from(&args[1]).canonicalize().unwrap();
    let tests = if args.iter().any(|a| a == "--all-targets") { audit::Tests::In } else { audit::Tests::Out };
    let t = std::time::Instant::now();
    let request = discover::Request { cwd: cwd.clone(), paths: vec![cwd], tests, ..Default::default() };
    let sources = discover::Project::find(&request).and_then(|p| p.read(&request)).unwrap();
    let read = t.elapsed();
    let rules: rules::Rules = toml::from_str(include_str!("../rules.toml")).unwrap();
    let options = audit::AuditOptions {
        tests,
        parsing: if args.iter().any(|a| a == "--everything") { audit::Parsing::Everything } else { Default::default() },
        ..Default::default()
    };
    let v = audit::audit(sources, &rules, &options);
    eprintln!("read {read:?} {:?}", v.stats);
    let rows: Vec<serde_json::Value> = v.program.statements.iter().map(|s| {
        let f = v.file(s.place.file); let p = f.position(s.place.span.start);
        serde_json::json!({"file": f.path, "line": p.line, "end_line": f.line(s.place.span.end), "exec_line": f.line(s.exec.start), "method": s.method, "api": s.api, "handle": s.handle, "kind": format!("{:?}", s.handle_kind), "verdict": s.cover.verdict(), "cover": format!("{:?}", s.cover).chars().take(150).collect::<String>(), "trace": s.trace, "sql": s.sql.text(), "tables": s.tables})
    }).collect();
    let findings: Vec<String> = v
        .findings
        .iter()
        .map(|x| {
            let f = v.file(x.place.file);
            format!("{}:{} {} {}", f.path, f.line(x.place.span.start), x.code, x.message)
        })
        .collect();
    println!(
        "{}",
        serde_json::json!({"statements": rows, "findings": findings, "inferred": v.program.inferred.iter().map(|i| format!("{} {} {} {}", i.kind, i.name, i.handle, i.why)).collect::<Vec<_>>(), "blind": v.blind_spots.iter().map(|b| format!("{}:{} {}", b.file, b.line, b.reason)).collect::<Vec<_>>() })
    );
}
