-- The tables of the queue. Running it again changes nothing.
-- `Schema` puts its roles in place of `public`, and its setting in place of the one below.
-- Every key begins with the tenant, and every column that a statement searches by has a type whose comparison is leak-proof.

create table if not exists rls_jobs (
    tenant_id uuid not null,
    id uuid not null,
    lane text not null,
    kind text not null,
    payload jsonb not null,
    state text not null,
    priority smallint not null default 0,
    -- When it may start.
    run_at timestamptz not null,
    -- Its place in the line: an earlier start and a higher priority both lead to an earlier place.
    rank timestamptz not null,
    -- When somebody has to look at it next: its start while it waits, the end of the lease while it runs, never once it has ended.
    due_at timestamptz,
    attempt integer not null default 0,
    max_attempts integer not null check (max_attempts > 0),
    -- New and random with each claim, which gives it to all that it takes, so that it is not given out twice even when a crash has undone the claim: who holds another one has lost the job.
    token uuid,
    worker text,
    unique_key text,
    tags text[] not null default '{}',
    progress smallint not null default 0 check (progress between 0 and 100),
    result jsonb,
    last_error text,
    cancel_requested boolean not null default false,
    created_at timestamptz not null default now(),
    claimed_at timestamptz,
    finished_at timestamptz,
    primary key (tenant_id, id),
    check (case when due_at is null then state in ('completed', 'cancelled', 'discarded')
           else state in ('executing', 'available', 'scheduled', 'retryable') end)
);

create index if not exists rls_jobs_waiting on rls_jobs (tenant_id, lane, rank, id)
    where state in ('available', 'scheduled', 'retryable');
-- Those that may be due although they stand in the line long after now.
create index if not exists rls_jobs_patient on rls_jobs (tenant_id, lane, rank, id)
    where state in ('available', 'scheduled', 'retryable') and priority < 0;
create index if not exists rls_jobs_due on rls_jobs (tenant_id, lane, due_at)
    where state in ('available', 'scheduled', 'retryable');
create index if not exists rls_jobs_running on rls_jobs (tenant_id, lane, due_at) where state = 'executing';
create unique index if not exists rls_jobs_unique on rls_jobs (tenant_id, unique_key)
    where due_at is not null and unique_key is not null;
create index if not exists rls_jobs_finished on rls_jobs (tenant_id, finished_at) where state in ('completed', 'cancelled');
create index if not exists rls_jobs_dead on rls_jobs (tenant_id, finished_at, lane) where state = 'discarded';

-- Says which tenant has something to do in which lane and when, and nothing else. It may ring too early, never too late.
create table if not exists rls_doorbell (
    tenant_id uuid not null,
    lane text not null,
    next_due timestamptz not null,
    -- Low-water marks: no job that waits has an earlier place in the line, and no lease ends earlier.
    -- Before them lie only the remains of what was claimed, which a snapshot that somebody holds keeps in the indexes.
    low_rank timestamptz not null default '-infinity',
    low_lease timestamptz not null default '-infinity',
    primary key (tenant_id, lane)
);

create index if not exists rls_doorbell_next on rls_doorbell (lane, next_due);

-- How many slots of a lane a worker holds where all workers have a number of them together. It names no tenant and holds nothing of any.
create table if not exists rls_lane_slots (
    lane text not null,
    worker uuid not null,
    held integer not null check (held > 0),
    -- Those of a worker that was killed are free then.
    held_until timestamptz not null,
    primary key (lane, worker)
);

-- What is to be enqueued when. The workers say when the next tick is, for the server knows no cron.
create table if not exists rls_schedules (
    tenant_id uuid not null,
    name text not null,
    cron text not null,
    time_zone text not null,
    lane text not null,
    kind text not null,
    payload jsonb not null,
    priority smallint not null,
    max_attempts integer not null check (max_attempts > 0),
    tags text[] not null,
    paused boolean not null default false,
    -- Never, while it is paused or when it has no more ticks.
    next_at timestamptz,
    -- The tick that its latest job stands for.
    last_at timestamptz,
    last_error text,
    primary key (tenant_id, name),
    check (not paused or next_at is null)
);

create index if not exists rls_schedules_next on rls_schedules (tenant_id, next_at) where next_at is not null;

alter table rls_jobs enable row level security, force row level security;
drop policy if exists tenant_isolation_select on rls_jobs;
create policy tenant_isolation_select on rls_jobs for select to public
    using (tenant_id = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on rls_jobs;
create policy tenant_isolation_insert on rls_jobs for insert to public
    with check (tenant_id = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on rls_jobs;
create policy tenant_isolation_update on rls_jobs for update to public
    using (tenant_id = (select current_setting('app.tenant_id')::uuid))
    with check (tenant_id = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on rls_jobs;
create policy tenant_isolation_delete on rls_jobs for delete to public
    using (tenant_id = (select current_setting('app.tenant_id')::uuid));

alter table rls_schedules enable row level security, force row level security;
drop policy if exists tenant_isolation_select on rls_schedules;
create policy tenant_isolation_select on rls_schedules for select to public
    using (tenant_id = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on rls_schedules;
create policy tenant_isolation_insert on rls_schedules for insert to public
    with check (tenant_id = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on rls_schedules;
create policy tenant_isolation_update on rls_schedules for update to public
    using (tenant_id = (select current_setting('app.tenant_id')::uuid))
    with check (tenant_id = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on rls_schedules;
create policy tenant_isolation_delete on rls_schedules for delete to public
    using (tenant_id = (select current_setting('app.tenant_id')::uuid));

alter table rls_doorbell enable row level security, force row level security;
-- Every worker reads it, and only the tenant's own scopes write it.
drop policy if exists doorbell_select on rls_doorbell;
create policy doorbell_select on rls_doorbell for select to public
    using (true);
drop policy if exists tenant_isolation_insert on rls_doorbell;
create policy tenant_isolation_insert on rls_doorbell for insert to public
    with check (tenant_id = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on rls_doorbell;
create policy tenant_isolation_update on rls_doorbell for update to public
    using (tenant_id = (select current_setting('app.tenant_id')::uuid))
    with check (tenant_id = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on rls_doorbell;
create policy tenant_isolation_delete on rls_doorbell for delete to public
    using (tenant_id = (select current_setting('app.tenant_id')::uuid));

-- Who rings holds the lock together with others; who quiets holds it alone. So no bell is quieted over a job that is not committed yet.
create or replace function rls_doorbell_key(tenant uuid, lane text) returns integer
    language sql immutable parallel safe
    as $$ select pg_catalog.hashtext(tenant::text || lane) $$;

-- What does not stand in the line, as a schedule, has no place there.
create or replace function rls_doorbell_ring(
    tenant uuid, in_lane text, due timestamptz, place timestamptz default 'infinity') returns void
    language plpgsql
    as $$
begin
    perform pg_advisory_xact_lock_shared(1919709042, rls_doorbell_key(tenant, in_lane));
    -- Most jobs come while the bell rings already, and then nothing is written.
    -- Who sees things as they were must not go by that: he is told that the bell has changed since.
    perform from rls_doorbell d
    where d.tenant_id = tenant and d.lane = in_lane and d.next_due <= due and d.low_rank <= place
      and current_setting('transaction_isolation') = 'read committed';
    if not found then
        insert into rls_doorbell as d (tenant_id, lane, next_due) values (tenant, in_lane, due)
        on conflict (tenant_id, lane) do update
        set next_due = least(d.next_due, excluded.next_due), low_rank = least(d.low_rank, place)
        where d.next_due > excluded.next_due or d.low_rank > place;
    end if;
end
$$;

drop function if exists rls_doorbell_quiet(uuid, text, timestamptz);

-- Raises the marks, and where nothing else is due makes the bell ring when the next job is; the searches begin where the bell stood.
-- A claim that is not committed yet makes a lease that ends after now.
create or replace function rls_doorbell_quiet(
    tenant uuid, in_lane text, clock timestamptz, more_is_due boolean) returns boolean
    language plpgsql
    as $$
declare
    bell rls_doorbell;
    start timestamptz;
    place timestamptz;
    lease timestamptz;
    tick timestamptz;
    -- While more is due nobody asks when the next lease ends, and the search need not pass the remains of those that have ended early.
    horizon timestamptz := case when more_is_due then clock else 'infinity' end;
begin
    -- Who sees things as they were does not see what was enqueued since.
    if current_setting('transaction_isolation') <> 'read committed'
       or not pg_try_advisory_xact_lock(1919709042, rls_doorbell_key(tenant, in_lane)) then
        return false;
    end if;
    select * into bell from rls_doorbell d where d.tenant_id = tenant and d.lane = in_lane;
    -- Without statistics the planner finds a minimum by any index alike, and an order by its own alone.
    select j.rank into place from rls_jobs j
    where j.tenant_id = tenant and j.lane = in_lane and j.state in ('available', 'scheduled', 'retryable')
      and j.rank >= bell.low_rank
    order by j.rank limit 1;
    select j.due_at into lease from rls_jobs j
    where j.tenant_id = tenant and j.lane = in_lane and j.state = 'executing' and j.due_at >= bell.low_lease
      and j.due_at <= horizon
    order by j.due_at limit 1;
    if more_is_due then
        start := bell.next_due;
    else
        select j.due_at into start from rls_jobs j
        where j.tenant_id = tenant and j.lane = in_lane and j.state in ('available', 'scheduled', 'retryable')
          and j.due_at >= bell.next_due
        order by j.due_at limit 1;
    end if;
    if in_lane = 'rls_schedules' then
        select min(s.next_at) into tick from rls_schedules s where s.tenant_id = tenant;
    end if;
    update rls_doorbell d
    set next_due = least('infinity', start, lease, tick), low_rank = coalesce(place, 'infinity'),
        low_lease = least(lease, clock)
    where d.tenant_id = tenant and d.lane = in_lane
      and (d.next_due, d.low_rank) is distinct from (least('infinity', start, lease, tick), coalesce(place, 'infinity'));
    return true;
end
$$;

-- For workers that listen. It says neither who nor what, for every session of the database may listen.
create or replace function rls_doorbell_notify() returns trigger
    language plpgsql
    as $$
begin
    perform pg_notify('rls_doorbell', '');
    return null;
end
$$;

create or replace function rls_jobs_enqueued() returns trigger
    language plpgsql
    as $$
begin
    perform rls_doorbell_ring(e.tenant_id, e.lane, e.due, e.place)
    from (select n.tenant_id, n.lane, min(n.due_at) as due, min(n.rank) as place from enqueued n
          where n.due_at is not null group by n.tenant_id, n.lane order by n.tenant_id, n.lane) e;
    return null;
end
$$;

create or replace function rls_jobs_sooner() returns trigger
    language plpgsql
    as $$
begin
    perform rls_doorbell_ring(new.tenant_id, new.lane, new.due_at, new.rank);
    return null;
end
$$;

create or replace trigger rls_jobs_enqueued after insert on rls_jobs
    referencing new table as enqueued for each statement execute function rls_jobs_enqueued();

-- Claims and heartbeats make a job due later, and endings make it due never: none of them rings. Who goes back into the line does.
create or replace trigger rls_jobs_sooner after update on rls_jobs
    for each row when (new.due_at < old.due_at or old.due_at is null and new.due_at is not null
                       or old.lane <> new.lane or new.rank < old.rank and new.due_at is not null
                       or old.state = 'executing' and new.state in ('available', 'scheduled', 'retryable'))
    execute function rls_jobs_sooner();

-- How many entries of their indexes the searches for work have read in this session, the remains among them.
create or replace function rls_jobs_passed() returns bigint
    language sql
    as $$
    select pg_catalog.pg_stat_get_xact_tuples_returned('rls_jobs_waiting'::regclass)
         + pg_catalog.pg_stat_get_xact_tuples_returned('rls_jobs_running'::regclass)
    $$;

create or replace function rls_lane_hold(
    in_lane text, who uuid, wanted integer, at_once integer, clock timestamptz, lease interval) returns integer
    language plpgsql
    as $$
declare
    granted integer;
begin
    perform pg_advisory_xact_lock(1919709044, pg_catalog.hashtext(in_lane));
    delete from rls_lane_slots s where s.lane = in_lane and (s.held_until <= clock or s.worker = who);
    select least(wanted, at_once - coalesce(sum(s.held), 0)) into granted from rls_lane_slots s where s.lane = in_lane;
    if granted > 0 then
        insert into rls_lane_slots values (in_lane, who, granted, clock + lease);
    end if;
    return greatest(granted, 0);
end
$$;

create or replace function rls_schedules_put() returns trigger
    language plpgsql
    as $$
begin
    perform rls_doorbell_ring(new.tenant_id, 'rls_schedules', new.next_at);
    return null;
end
$$;

create or replace trigger rls_schedules_put after insert or update of next_at on rls_schedules
    for each row when (new.next_at is not null) execute function rls_schedules_put();
