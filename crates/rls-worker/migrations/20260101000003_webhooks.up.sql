-- Webhooks: endpoints of a tenant that are told what people are told.

create table webhook_endpoints (
    tenant_id uuid not null default (current_setting('app.tenant_id')::uuid),
    name text not null,
    url text not null,
    -- What its messages are signed with.
    secret bytea not null check (length(secret) >= 24),
    -- An endpoint that says that it wants no more gets no more.
    off_since timestamptz,
    off_because text,
    primary key (tenant_id, name)
);

alter table notification_preferences
    drop constraint notification_preferences_channel_check,
    add constraint notification_preferences_channel_check check (channel in ('EMAIL', 'IN_APP', 'WEBHOOK'));

alter table notification_deliveries add column body_json jsonb;
