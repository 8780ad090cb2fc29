drop table ship_claim_events, ship_claim_findings, ship_claims, ship_finding_credits;
