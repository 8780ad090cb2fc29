-- What is done about findings. The policies of these tables come with those of all others.

-- The evidence that a carrier gave money back; one that was taken back stays as what it was.
create table ship_finding_credits (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    id uuid not null default gen_random_uuid(),
    finding_id uuid not null,
    source text not null check (source <> ''),
    reference text not null check (reference <> ''),
    confirmed_at timestamptz not null,
    amount numeric(18, 6) not null check (amount > 0),
    currency text not null,
    voided boolean not null default false,
    primary key (tenant_id, id),
    foreign key (tenant_id, finding_id) references ship_findings (tenant_id, id)
);
create unique index ship_finding_credits_valid on ship_finding_credits (tenant_id, finding_id) where not voided;

create table ship_claims (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    id uuid not null default gen_random_uuid(),
    carrier text not null,
    account text not null,
    currency text not null,
    state text not null default 'DRAFT'
        check (state in ('DRAFT', 'READY', 'SUBMITTED', 'ACKNOWLEDGED', 'CREDIT_CONFIRMED', 'CLOSED', 'FAILED')),
    -- The carrier's own number for it.
    ticket text,
    packet jsonb,
    primary key (tenant_id, id)
);
create index ship_claims_waiting on ship_claims (tenant_id, id) where state = 'SUBMITTED';

create table ship_claim_findings (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    claim_id uuid not null,
    finding_id uuid not null,
    claimed numeric(18, 6) not null,
    credited numeric(18, 6),
    primary key (tenant_id, claim_id, finding_id),
    foreign key (tenant_id, claim_id) references ship_claims (tenant_id, id),
    foreign key (tenant_id, finding_id) references ship_findings (tenant_id, id)
);
create index ship_claim_findings_finding on ship_claim_findings (tenant_id, finding_id);

create table ship_claim_events (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    id uuid not null default gen_random_uuid(),
    claim_id uuid not null,
    from_state text,
    to_state text not null,
    actor text not null,
    note text,
    at timestamptz not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, claim_id) references ship_claims (tenant_id, id)
);
create index ship_claim_events_claim on ship_claim_events (tenant_id, claim_id, at);
