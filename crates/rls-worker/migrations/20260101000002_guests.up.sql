-- Guests: somebody whom a tenant lets try one small file. Nothing of theirs goes where the tenant's own rows are.

create table guest_sessions (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    id uuid not null default gen_random_uuid(),
    email_hash text not null,
    lane text not null check (lane in ('catalog_upload', 'ship_upload')),
    token_hash text not null,
    expires_at timestamptz not null,
    -- What became of the one file; nothing while there is none.
    summary jsonb,
    primary key (tenant_id, id)
);
create index guest_sessions_expiry on guest_sessions (tenant_id, expires_at);

create table guest_results (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    id uuid not null default gen_random_uuid(),
    guest_session_id uuid not null,
    position integer not null,
    result jsonb not null,
    primary key (tenant_id, id),
    unique (tenant_id, guest_session_id, position),
    foreign key (tenant_id, guest_session_id) references guest_sessions (tenant_id, id)
);
