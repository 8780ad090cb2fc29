//! Each planted defect is found by the right check, and its fix makes the finding go away.

use super::defects::{self, Defect, Fix};
use super::harness::{Clean, Site, shown};

#[tokio::test]
async fn the_clean_schema_has_no_finding() {
    let clean = Clean::new().await;
    let mut site = clean.open().await;
    let report = site.verify(&clean.options()).await;
    assert_eq!(shown(&report), [""; 0]);
    assert_eq!(report.notes, [""; 0]);
    assert_eq!(
        report.tables,
        ["\"Odd Schema\".\"Odd \"\"Table\"", "public.events", "public.events_2026", "public.lines", "public.orders"]
    );
}

const LANES: usize = 4;

#[tokio::test]
async fn every_planted_defect_is_found_and_fixed() {
    assert!(defects::all().len() >= 60, "{}", defects::all().len());
    // Roles are shared by all databases of a cluster, so that each lane has its own.
    let lanes = (0..LANES).map(|lane| {
        tokio::spawn(async move {
            let of_database = defects::all().into_iter().filter(|defect| !defect.is_seen_everywhere());
            plant_each(Clean::new().await, of_database.skip(lane).step_by(LANES)).await
        })
    });
    let mut wrong = Vec::new();
    for lane in lanes.collect::<Vec<_>>() {
        wrong.extend(lane.await.unwrap());
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn every_setting_of_a_role_is_found_and_fixed() {
    let of_cluster: Vec<_> = defects::all().into_iter().filter(|defect| defect.is_seen_everywhere()).collect();
    assert!(of_cluster.len() >= 5, "{}", of_cluster.len());
    let wrong = plant_each(Clean::alone().await, of_cluster.into_iter()).await;
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Says what is wrong with which of them.
async fn plant_each(clean: Clean, defects: impl Iterator<Item = &'static Defect>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut site = clean.open().await;
    for defect in defects {
        if let Err(what) = plant(&clean, &mut site, defect).await {
            wrong.push(format!("{} {}: {what}", defect.check, defect.name));
        }
        site.reset().await;
    }
    let again = site.verify(&clean.options()).await;
    assert_eq!(shown(&again), [""; 0], "the schema is not clean after the last defect");
    wrong
}

async fn plant(clean: &Clean, site: &mut Site<'_>, defect: &Defect) -> Result<(), String> {
    let mut options = clean.options();
    options.probe = defect.check.starts_with('P');
    site.run(defect.sql).await.map_err(|error| format!("cannot plant: {error}"))?;
    site.reconnect().await;
    let report = site.verify(&options).await;
    let object = clean.fill(defect.object);
    let hits = |report: &rls_runtime::verify::Report| -> Vec<_> {
        let findings = report.findings.iter();
        findings.filter(|finding| finding.check == defect.check && finding.object.contains(&object)).cloned().collect()
    };
    let found = hits(&report);
    let mut outcome = Ok(());
    if found.is_empty() {
        outcome = Err(format!("not found at `{object}`; found {:?}", shown(&report)));
    } else if defect.fix == Fix::Works {
        for finding in &found {
            if let Err(error) = site.run(&finding.fix).await {
                outcome = Err(format!("the fix fails: {error}\n{}", finding.fix));
            }
        }
        site.reconnect().await;
        let after = site.verify(&options).await;
        if outcome.is_ok() && !hits(&after).is_empty() {
            outcome = Err(format!("the fix changes nothing: {}", found[0].fix));
        }
    }
    outcome
}
