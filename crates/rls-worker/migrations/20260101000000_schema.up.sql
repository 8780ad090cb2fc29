-- Shared tables: the law and the currencies. Everybody reads them, only the owner writes them.

create table sima_measures (
    code text primary key,
    status text not null,
    product text not null,
    hs10 text[] not null,
    hs6 text[] not null,
    regions text[] not null,
    season_excluded text,
    scope_key text not null,
    effective_from date,
    nominal_expiry date
);

create table sima_measure_rates (
    id integer primary key,
    measure text not null references sima_measures (code),
    duty text not null check (duty in ('AD', 'CVD')),
    country text not null,
    exporter_norm text,
    exporter_id text,
    kind text not null,
    value numeric(18, 6),
    currency text,
    unit text,
    model text,
    effective_from date
);

create table fx_rates (
    day date not null,
    currency text not null,
    cad numeric(18, 6) not null check (cad > 0),
    primary key (day, currency)
);

-- Tenant tables. Keys start with the tenant, so that one tenant cannot probe another by conflict.

create table ingest_row_errors (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    id uuid not null default gen_random_uuid(),
    job_id uuid not null,
    row_number bigint not null,
    column_name text not null,
    code text not null,
    severity text not null check (severity in ('ERROR', 'WARN')),
    message text not null,
    raw_value text not null check (length(raw_value) <= 200),
    primary key (tenant_id, id)
);
create index ingest_row_errors_job on ingest_row_errors (tenant_id, job_id, row_number);

create table notification_events (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    id uuid not null default gen_random_uuid(),
    event_key text not null,
    type text not null,
    payload jsonb not null,
    job_id uuid not null,
    raised_at timestamptz not null default now(),
    primary key (tenant_id, id),
    unique (tenant_id, event_key)
);

create table catalog_products (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    id uuid not null default gen_random_uuid(),
    sku text not null,
    sku_norm text not null,
    title text not null,
    description text,
    category text,
    hs_code text,
    country_of_origin text,
    country_of_export text,
    manufacturer text,
    exporter_name text,
    exporter_id text,
    unit_cost numeric(18, 6) check (unit_cost >= 0),
    currency text,
    uom text,
    net_weight_kg numeric(18, 6) check (net_weight_kg >= 0),
    attributes jsonb,
    aliases text[] not null default '{}',
    gtin text,
    version integer not null default 1,
    source_job_id uuid not null,
    primary key (tenant_id, id),
    unique (tenant_id, sku_norm)
);

create table catalog_product_versions (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    product_id uuid not null,
    version integer not null,
    changed_fields text[] not null,
    job_id uuid not null,
    primary key (tenant_id, product_id, version),
    foreign key (tenant_id, product_id) references catalog_products (tenant_id, id)
);

-- What else orders may call a product. Arrays cannot be searched by an index behind policies; texts can.
create table product_keys (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    key_norm text not null,
    kind text not null check (kind in ('ALIAS', 'GTIN')),
    product_id uuid not null,
    primary key (tenant_id, key_norm, kind, product_id),
    foreign key (tenant_id, product_id) references catalog_products (tenant_id, id)
);
create index product_keys_product on product_keys (tenant_id, product_id);

create table exporter_normal_values (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    id uuid not null default gen_random_uuid(),
    measure text not null references sima_measures (code),
    exporter_id text not null,
    model_id text not null default '',
    value numeric(18, 6) not null check (value >= 0),
    currency text not null,
    unit text not null,
    valid_from date not null,
    valid_to date,
    primary key (tenant_id, id)
);

create table sima_results (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    id uuid not null default gen_random_uuid(),
    sku text not null,
    sku_norm text not null,
    product_version integer not null,
    ruleset_hash text not null,
    as_of date not null,
    measure_code text,
    verdict text not null check (verdict in ('SUBJECT', 'NEEDS_REVIEW', 'NOT_SUBJECT')),
    reasons text[] not null,
    ad_cad numeric(18, 6),
    cvd_cad numeric(18, 6),
    total_cad numeric(18, 6),
    upper_bound_cad numeric(18, 6),
    confidence numeric(4, 2) not null,
    evidence jsonb not null,
    superseded_by uuid,
    primary key (tenant_id, id),
    unique (tenant_id, sku_norm, product_version, ruleset_hash, as_of),
    foreign key (tenant_id, superseded_by) references sima_results (tenant_id, id)
);
create index sima_results_current on sima_results (tenant_id, sku_norm) where superseded_by is null;

create table sima_reviews (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    id uuid not null default gen_random_uuid(),
    sku_norm text not null,
    product_version integer not null,
    ruleset_hash text not null,
    decision text not null check (decision in ('SUBJECT', 'NOT_SUBJECT')),
    decided_by text not null,
    note text not null,
    primary key (tenant_id, id),
    unique (tenant_id, sku_norm, product_version, ruleset_hash)
);

create table orders (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    id uuid not null default gen_random_uuid(),
    source text not null,
    order_number text not null,
    number_norm text not null,
    order_date date not null,
    po_number text,
    po_norm text,
    carrier text,
    tracking_numbers text[] not null default '{}',
    ship_to_country text not null,
    ship_to_region text,
    ship_to_postal text,
    postal_norm text,
    address_type text,
    link_state text not null default 'UNMATCHED' check (link_state in ('LINKED', 'PARTIAL', 'AMBIGUOUS', 'UNMATCHED')),
    primary key (tenant_id, id),
    unique (tenant_id, source, order_number)
);
create index orders_number on orders (tenant_id, number_norm);
create index orders_po on orders (tenant_id, po_norm);
create index orders_postal on orders (tenant_id, postal_norm, order_date);

create table order_trackings (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    tracking_norm text not null,
    order_id uuid not null,
    primary key (tenant_id, tracking_norm, order_id),
    foreign key (tenant_id, order_id) references orders (tenant_id, id)
);

create table order_lines (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    id uuid not null default gen_random_uuid(),
    order_id uuid not null,
    line_number integer not null,
    sku text not null,
    sku_norm text not null,
    quantity numeric(18, 6) not null check (quantity > 0),
    unit_price numeric(18, 6),
    currency text,
    exporter_name text,
    export_country text,
    requested_ship_date date,
    status text not null check (status in ('OPEN', 'SHIPPED', 'CANCELLED')),
    job_id uuid not null,
    primary key (tenant_id, id),
    unique (tenant_id, order_id, line_number),
    foreign key (tenant_id, order_id) references orders (tenant_id, id)
);
create index order_lines_sku on order_lines (tenant_id, sku_norm);

create table order_line_products (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    line_id uuid not null,
    product_id uuid not null,
    method text not null check (method in ('EXACT', 'ALIAS', 'NORMALISED', 'GTIN')),
    confidence numeric(4, 2) not null,
    primary key (tenant_id, line_id),
    foreign key (tenant_id, line_id) references order_lines (tenant_id, id),
    foreign key (tenant_id, product_id) references catalog_products (tenant_id, id)
);

create table carrier_invoices (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    id uuid not null default gen_random_uuid(),
    carrier text not null,
    account text not null,
    invoice_number text not null,
    invoice_date date not null,
    currency text not null,
    stated_total numeric(18, 6),
    primary key (tenant_id, id),
    unique (tenant_id, carrier, account, invoice_number)
);

create table shipments (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    id uuid not null default gen_random_uuid(),
    carrier text not null,
    tracking_norm text not null,
    account text not null,
    service text not null,
    ship_date date,
    delivered_on date,
    zone text,
    actual_weight_lb numeric(18, 6),
    dest_postal text,
    postal_norm text,
    dest_country text,
    reference_norms text[] not null default '{}',
    link_state text not null default 'UNMATCHED' check (link_state in ('LINKED', 'AMBIGUOUS', 'UNMATCHED')),
    primary key (tenant_id, id),
    unique (tenant_id, carrier, tracking_norm)
);
create index shipments_tracking on shipments (tenant_id, tracking_norm);
create index shipments_postal on shipments (tenant_id, postal_norm) where link_state <> 'LINKED';

create table shipment_references (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    reference_norm text not null,
    shipment_id uuid not null,
    primary key (tenant_id, reference_norm, shipment_id),
    foreign key (tenant_id, shipment_id) references shipments (tenant_id, id)
);

create table shipment_charges (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    id uuid not null default gen_random_uuid(),
    invoice_id uuid not null,
    shipment_id uuid,
    fingerprint text not null,
    occurrence integer not null,
    row_number bigint not null,
    service text not null,
    ship_date date,
    delivered_on date,
    zone text,
    actual_weight_lb numeric(18, 6),
    billed_weight_lb numeric(18, 6),
    length_in numeric(18, 6),
    width_in numeric(18, 6),
    height_in numeric(18, 6),
    dest_postal text,
    code text not null,
    description text,
    gross numeric(18, 6) not null,
    discount numeric(18, 6) not null,
    net numeric(18, 6) not null,
    currency text not null,
    job_id uuid not null,
    primary key (tenant_id, id),
    unique (tenant_id, invoice_id, fingerprint, occurrence),
    foreign key (tenant_id, invoice_id) references carrier_invoices (tenant_id, id),
    foreign key (tenant_id, shipment_id) references shipments (tenant_id, id)
);
create index shipment_charges_shipment on shipment_charges (tenant_id, shipment_id);

create table order_shipment_links (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    order_id uuid not null,
    shipment_id uuid not null,
    state text not null check (state in ('LINKED', 'MANUAL', 'REJECTED')),
    rule text not null,
    score integer not null,
    primary key (tenant_id, order_id, shipment_id),
    foreign key (tenant_id, order_id) references orders (tenant_id, id),
    foreign key (tenant_id, shipment_id) references shipments (tenant_id, id)
);
create index order_shipment_links_shipment on order_shipment_links (tenant_id, shipment_id);

create table order_link_candidates (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    order_id uuid not null,
    shipment_id uuid not null,
    rule text not null,
    score integer not null,
    primary key (tenant_id, order_id, shipment_id),
    foreign key (tenant_id, order_id) references orders (tenant_id, id),
    foreign key (tenant_id, shipment_id) references shipments (tenant_id, id)
);
create index order_link_candidates_shipment on order_link_candidates (tenant_id, shipment_id);

create table carrier_agreements (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    id uuid not null default gen_random_uuid(),
    carrier text not null,
    account text not null,
    version integer not null,
    effective_from date not null,
    effective_to date not null,
    agreement jsonb not null,
    job_id uuid not null,
    primary key (tenant_id, id),
    unique (tenant_id, carrier, account, version)
);

create table tenant_carrier_overrides (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    id uuid not null default gen_random_uuid(),
    carrier text not null,
    account text,
    key text not null,
    value text not null,
    valid_from date not null,
    valid_to date,
    primary key (tenant_id, id)
);

create table ship_findings (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    id uuid not null default gen_random_uuid(),
    dedupe_key text not null,
    kind text not null,
    state text not null default 'OPEN'
        check (state in ('OPEN', 'DISPUTED', 'SUBMITTED', 'CARRIER_REVIEW', 'CREDITED', 'REJECTED', 'DISMISSED')),
    tracking_norm text,
    carrier text not null,
    account text not null,
    invoice_number text not null,
    code text not null,
    billed numeric(18, 6) not null,
    expected numeric(18, 6) not null,
    variance numeric(18, 6) not null,
    currency text not null,
    severity text not null,
    dispute_by date not null,
    parent_key text,
    evidence text not null,
    settings_hash text not null,
    job_id uuid not null,
    primary key (tenant_id, id),
    unique (tenant_id, dedupe_key)
);

create index ship_findings_deadline on ship_findings (tenant_id, dispute_by) where state = 'OPEN';

create table ship_finding_events (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    id uuid not null default gen_random_uuid(),
    finding_id uuid not null,
    from_state text,
    to_state text not null,
    job_id uuid,
    actor text not null default 'worker',
    note text,
    at timestamptz not null default now(),
    primary key (tenant_id, id),
    foreign key (tenant_id, finding_id) references ship_findings (tenant_id, id)
);

create table trade_detection_config (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid) primary key,
    enabled boolean not null default true,
    lanes text[] not null default '{order_upload,sima_validation,catalog_upload}',
    destination_countries text[] not null default '{CA}',
    origin_countries text[] not null default '{}',
    hs_prefixes text[] not null default '{}',
    excluded_skus text[] not null default '{}',
    include_needs_review boolean not null default true,
    min_exposure_cad numeric(18, 6) not null default 50,
    min_confidence numeric(4, 2) not null default 0.60,
    caught_horizon_days integer not null default 30,
    spike_z numeric(8, 2) not null default 3.5,
    spike_ratio numeric(8, 2) not null default 1.5,
    spike_floor_cad numeric(18, 6) not null default 1000,
    spike_min_orders integer not null default 5
);

create table trade_caught_orders (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    id uuid not null default gen_random_uuid(),
    order_id uuid not null,
    ruleset_hash text not null,
    line_numbers integer[] not null,
    measure_codes text[] not null,
    exposure_cad numeric(18, 6) not null,
    exposure_kind text not null check (exposure_kind in ('CONFIRMED', 'POTENTIAL')),
    state text not null default 'OPEN' check (state in ('OPEN', 'ACKNOWLEDGED', 'CLEARED', 'HELD', 'MISSED')),
    first_caught_on date not null,
    primary key (tenant_id, id),
    unique (tenant_id, order_id, ruleset_hash),
    foreign key (tenant_id, order_id) references orders (tenant_id, id)
);

create table uploads (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    id uuid not null default gen_random_uuid(),
    lane text not null,
    effective_key text not null,
    file_name text not null,
    bytes bytea not null,
    job_id uuid,
    primary key (tenant_id, id),
    unique (tenant_id, effective_key)
);

create table notification_preferences (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    user_id text not null,
    template text not null,
    channel text not null check (channel in ('EMAIL', 'IN_APP')),
    address text,
    enabled boolean not null default true,
    -- Who wants digests only is told of single events by no message of their own.
    cadence text not null default 'IMMEDIATE' check (cadence in ('IMMEDIATE', 'DIGEST')),
    min_severity text not null default 'LOW' check (min_severity in ('LOW', 'NORMAL', 'HIGH')),
    primary key (tenant_id, user_id, template, channel),
    check (channel <> 'EMAIL' or address is not null)
);

create table notification_deliveries (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    id uuid not null default gen_random_uuid(),
    template text not null,
    channel text not null,
    recipient text not null,
    address text,
    dedupe_key text not null,
    cooldown_key text,
    -- What was held back in one hour is told of together.
    group_key text,
    status text not null check (status in ('QUEUED', 'SENT', 'SUPPRESSED', 'DEFERRED', 'FAILED')),
    reason text,
    subject text not null,
    body_text text not null,
    body_html text not null,
    attempt integer not null default 0,
    -- Somebody sends it; when nobody does any more, nobody knows whether it got through.
    sending_since timestamptz,
    unknown_ends integer not null default 0,
    job_id uuid not null,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, template, channel, recipient, dedupe_key)
);
create index notification_deliveries_cooldown on notification_deliveries (tenant_id, template, recipient, cooldown_key, created_at);
create index notification_deliveries_job on notification_deliveries (tenant_id, job_id);
create index notification_deliveries_group on notification_deliveries (tenant_id, group_key) where group_key is not null;
create index notification_deliveries_key on notification_deliveries (tenant_id, template, dedupe_key);

create table notification_rate_buckets (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    bucket text not null,
    recipient text not null,
    bucket_start timestamptz not null,
    count integer not null,
    primary key (tenant_id, bucket, recipient, bucket_start)
);

create table notification_schedules (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    template text not null,
    cadence text not null check (cadence in ('DAILY', 'WEEKLY')),
    next_run_at timestamptz not null,
    last_window_end timestamptz not null,
    -- By the clock on the tenant's wall.
    at_hour smallint not null default 8 check (at_hour between 0 and 23),
    -- Monday is 1.
    weekday smallint not null default 1 check (weekday between 1 and 7),
    time_zone text not null default 'America/Toronto',
    primary key (tenant_id, template)
);

create table trade_spikes (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    scope text not null,
    window_start date not null,
    value_cad numeric(18, 6) not null,
    median_cad numeric(18, 6) not null,
    z numeric(12, 2),
    primary key (tenant_id, scope, window_start)
);
