-- One row, one JSON document: every fact of the system catalogs that a check needs.
-- The search path is empty, so that every name that is not PostgreSQL's own is printed with its schema.
with user_schema as (
  select oid, nspname, nspowner, nspacl from pg_namespace
  where nspname !~ '^pg_' and nspname <> 'information_schema' and ({schema} is null or nspname = {schema})
),
extension_object as (
  select classid, objid from pg_depend where deptype = 'e'
),
relation as (
  select c.*, n.nspname
  from pg_class c join user_schema n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'f', 'v', 'm', 'S')
),
grants as (
  select c.oid, 0::int2 as attnum, a.grantee, a.privilege_type, a.is_grantable
  from relation c cross join aclexplode(c.relacl) a
  union all
  select c.oid, t.attnum, a.grantee, a.privilege_type, a.is_grantable
  from relation c join pg_attribute t on t.attrelid = c.oid and not t.attisdropped
  cross join aclexplode(t.attacl) a
),
grants_of as (
  select oid, json_agg(json_build_object('column', attnum, 'grantee', grantee::int8,
    'privilege', privilege_type, 'grantable', is_grantable) order by attnum, grantee, privilege_type) as list
  from grants group by oid
),
columns_of as (
  select a.attrelid as oid, json_agg(json_build_object(
    'number', a.attnum, 'name', a.attname,
    'base_type', coalesce(nullif(t.typbasetype, 0), t.oid)::regtype::text,
    'length', case when a.atttypid in ('varchar'::regtype, 'bpchar'::regtype) and a.atttypmod > 4 then a.atttypmod - 4 end,
    'not_null', a.attnotnull or t.typnotnull, 'default', pg_get_expr(d.adbin, d.adrelid),
    'generated', a.attgenerated <> '',
    'deterministic', coalesce(l.collisdeterministic, true)) order by a.attnum) as list
  from relation c
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  join pg_type t on t.oid = a.atttypid
  left join pg_collation l on l.oid = a.attcollation
  left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where c.relkind <> 'S'
  group by a.attrelid
)
select json_build_object(
'server', json_build_object(
  'database', current_database(),
  'current_role', (select oid::int8 from pg_roles where rolname = current_user),
  'session_role', (select oid::int8 from pg_roles where rolname = session_user),
  'in_recovery', pg_is_in_recovery(),
  'row_security', current_setting('row_security'),
  'replication_role', current_setting('session_replication_role'),
  'tenant', current_setting({setting}, true)),
'database', (select json_build_object('owner', datdba::int8, 'grants', (
    select coalesce(json_agg(json_build_object('grantee', a.grantee::int8, 'privilege', a.privilege_type, 'grantable', a.is_grantable)), '[]')
    from aclexplode(coalesce(datacl, acldefault('d', datdba))) a))
  from pg_database where datname = current_database()),
'roles', (select json_agg(json_build_object('oid', oid::int8, 'name', rolname, 'superuser', rolsuper,
    'bypass_rls', rolbypassrls, 'create_role', rolcreaterole, 'create_db', rolcreatedb,
    'replication', rolreplication, 'login', rolcanlogin, 'inherit', rolinherit) order by rolname) from pg_roles),
'members', (select coalesce(json_agg(json_build_object('role', m.roleid::int8, 'member', m.member::int8, 'admin', m.admin_option,
    'inherit', (to_jsonb(m) ->> 'inherit_option')::bool, 'set', (to_jsonb(m) ->> 'set_option')::bool)), '[]') from pg_auth_members m),
'schemas', (select coalesce(json_agg(json_build_object('name', nspname, 'owner', nspowner::int8, 'grants', (
    select coalesce(json_agg(json_build_object('grantee', a.grantee::int8, 'privilege', a.privilege_type, 'grantable', a.is_grantable)), '[]')
    from aclexplode(coalesce(nspacl, acldefault('n', nspowner))) a)) order by nspname), '[]') from user_schema),
'relations', (select coalesce(json_agg(json_build_object('oid', c.oid::int8, 'schema', c.nspname, 'name', c.relname,
    'kind', c.relkind, 'owner', c.relowner::int8, 'rls', c.relrowsecurity, 'force', c.relforcerowsecurity,
    'partition', c.relispartition, 'persistence', c.relpersistence,
    'options', coalesce(to_json(c.reloptions), '[]'),
    'extension', exists (select from extension_object e where e.classid = 'pg_class'::regclass and e.objid = c.oid),
    'grants', coalesce(g.list, '[]'), 'columns', coalesce(k.list, '[]')) order by c.nspname, c.relname), '[]')
  from relation c left join grants_of g on g.oid = c.oid left join columns_of k on k.oid = c.oid),
'policies', (select coalesce(json_agg(json_build_object('table', p.polrelid::int8, 'name', p.polname, 'command', p.polcmd,
    'permissive', p.polpermissive, 'roles', (select json_agg(r::int8) from unnest(p.polroles) r),
    'using', pg_get_expr(p.polqual, p.polrelid), 'check', pg_get_expr(p.polwithcheck, p.polrelid),
    'functions', (select coalesce(json_agg(distinct d.refobjid::int8), '[]') from pg_depend d
      where d.classid = 'pg_policy'::regclass and d.objid = p.oid and d.refclassid = 'pg_proc'::regclass and d.refobjid >= 16384),
    'relations', (select coalesce(json_agg(distinct d.refobjid::regclass::text), '[]') from pg_depend d
      where d.classid = 'pg_policy'::regclass and d.objid = p.oid and d.refclassid = 'pg_class'::regclass and d.refobjid <> p.polrelid))
    order by p.polrelid, p.polname), '[]') from pg_policy p join relation c on c.oid = p.polrelid),
'indexes', (select coalesce(json_agg(json_build_object('table', i.indrelid::int8, 'schema', c.nspname, 'name', x.relname,
    'unique', i.indisunique, 'exclusion', i.indisexclusion, 'valid', i.indisvalid,
    'partial', i.indpred is not null, 'method', m.amname,
    'keys', (select json_agg(key order by at) from unnest(i.indkey::int2[]) with ordinality k(key, at) where at <= i.indnkeyatts),
    'constraint', (select conname from pg_constraint where conindid = i.indexrelid and contype in ('p', 'u', 'x')),
    'constraint_definition', (select pg_get_constraintdef(oid) from pg_constraint where conindid = i.indexrelid and contype in ('p', 'u', 'x')),
    'definition', pg_get_indexdef(i.indexrelid),
    'leaky', (select coalesce(json_agg(pg_get_indexdef(i.indexrelid, k, true) order by k), '[]') from generate_series(1, i.indnkeyatts) k
      join pg_opclass o on o.oid = i.indclass[k - 1]
      where i.indkey[k - 1] = 0 or exists (select from pg_amop a join pg_operator op on op.oid = a.amopopr
        join pg_proc f on f.oid = op.oprcode
        where a.amopfamily = o.opcfamily and a.amoplefttype = o.opcintype and a.amoprighttype = o.opcintype
          and a.amoppurpose = 's' and not f.proleakproof))) order by c.nspname, x.relname), '[]')
  from pg_index i join relation c on c.oid = i.indrelid join pg_class x on x.oid = i.indexrelid join pg_am m on m.oid = x.relam),
'constraints', (select coalesce(json_agg(json_build_object('table', k.conrelid::int8, 'name', k.conname, 'kind', k.contype,
    'validated', k.convalidated, 'enforced', coalesce((to_jsonb(k) ->> 'conenforced')::bool, true), 'parent', k.confrelid::int8, 'keys', coalesce(to_json(k.conkey), '[]'),
    'parent_keys', coalesce(to_json(k.confkey), '[]'), 'inherited', k.conparentid <> 0,
    'definition', pg_get_constraintdef(k.oid)) order by k.conname), '[]')
  from pg_constraint k join relation c on c.oid = k.conrelid where k.contype in ('f', 'c', 'n')),
'inherits', (select coalesce(json_agg(json_build_object('child', inhrelid::int8, 'parent', inhparent::int8)), '[]')
  from pg_inherits join relation c on c.oid = inhrelid where c.relkind in ('r', 'p', 'f')),
'view_sources', (select coalesce(json_agg(distinct jsonb_build_array(r.ev_class::int8, d.refobjid::int8)), '[]')
  from pg_rewrite r join relation v on v.oid = r.ev_class and v.relkind in ('v', 'm')
  join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
    and d.refclassid = 'pg_class'::regclass and d.refobjid <> r.ev_class),
'functions', (select coalesce(json_agg(json_build_object('oid', p.oid::int8, 'schema', n.nspname, 'name', p.proname,
    'arguments', pg_get_function_identity_arguments(p.oid), 'owner', p.proowner::int8,
    'definer', p.prosecdef, 'leakproof', p.proleakproof, 'volatility', p.provolatile,
    'config', coalesce(to_json(p.proconfig), '[]'), 'source', coalesce(pg_get_function_sqlbody(p.oid), p.prosrc),
    'grants', (select coalesce(json_agg(json_build_object('grantee', a.grantee::int8, 'privilege', a.privilege_type, 'grantable', a.is_grantable)), '[]')
      from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a)) order by n.nspname, p.proname, p.oid), '[]')
  from pg_proc p join user_schema n on n.oid = p.pronamespace
  -- Being part of an extension hides a function, but not one with another's power.
  where p.prosecdef or p.proleakproof
    or not exists (select from extension_object e where e.classid = 'pg_proc'::regclass and e.objid = p.oid)),
'server_functions', (select coalesce(json_agg(json_build_object('name', p.oid::regprocedure::text, 'grants', (
    select coalesce(json_agg(json_build_object('grantee', a.grantee::int8, 'privilege', a.privilege_type, 'grantable', a.is_grantable)), '[]')
    from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a)) order by p.oid::regprocedure::text), '[]')
  from pg_proc p where p.pronamespace = 'pg_catalog'::regnamespace
    and p.proname in ('pg_read_file', 'pg_read_binary_file', 'pg_ls_dir', 'pg_stat_file', 'lo_import', 'lo_export',
      'pg_ls_logdir', 'pg_ls_waldir', 'pg_ls_tmpdir', 'pg_ls_archive_statusdir', 'pg_promote', 'pg_rotate_logfile', 'pg_reload_conf')),
-- A row of PostgreSQL's own that was written after initdb was changed by somebody.
'leakproof_builtins', (select coalesce(json_agg(oid::regprocedure::text order by oid), '[]') from pg_proc
  where oid < 16384 and proleakproof and xmin::text::bigint > 2),
'catalog_grants', (select coalesce(json_agg(json_build_object('name', c.relname, 'grants', (
    select json_agg(json_build_object('grantee', a.grantee::int8, 'privilege', a.privilege_type, 'grantable', a.is_grantable))
    from (select * from aclexplode(c.relacl)
      -- PostgreSQL itself shows everybody the harmless columns of pg_subscription.
      union all select x.* from pg_attribute t cross join aclexplode(t.attacl) x
      where t.attrelid = c.oid and c.relname <> 'pg_subscription') a)) order by c.relname), '[]')
  from pg_class c where c.relnamespace = 'pg_catalog'::regnamespace
    and c.relname in ('pg_statistic', 'pg_statistic_ext_data', 'pg_authid', 'pg_shadow', 'pg_largeobject', 'pg_user_mapping',
      'pg_subscription', 'pg_hba_file_rules', 'pg_file_settings', 'pg_config', 'pg_shmem_allocations', 'pg_backend_memory_contexts')),
'owned', (select coalesce(json_agg(json_build_object('owner', d.refobjid::int8, 'object', pg_describe_object(d.classid, d.objid, 0))
    order by d.classid, d.objid), '[]')
  from pg_shdepend d where d.deptype = 'o' and d.dbid = (select oid from pg_database where datname = current_database())
    and d.classid not in ('pg_class'::regclass, 'pg_proc'::regclass, 'pg_namespace'::regclass, 'pg_default_acl'::regclass, 'pg_largeobject'::regclass)),
'large_objects', (select coalesce(json_agg(json_build_object('owner', l.owner, 'grantee', l.grantee, 'count', l.count, 'sample', l.sample)
    order by l.owner, l.grantee), '[]')
  from (select m.lomowner::int8 as owner, a.grantee::int8 as grantee, count(*), min(m.oid::int8) as sample
    from pg_largeobject_metadata m left join lateral aclexplode(m.lomacl) a on true group by 1, 2) l),
'open_large_objects', current_setting('lo_compat_privileges')::bool,
'triggers', (select coalesce(json_agg(json_build_object('table', t.tgrelid::int8, 'name', t.tgname, 'function', t.tgfoid::int8,
    'enabled', t.tgenabled, 'internal', t.tgisinternal) order by t.tgname), '[]')
  from pg_trigger t join relation c on c.oid = t.tgrelid where not t.tgisinternal or t.tgenabled <> 'O'),
'rules', (select coalesce(json_agg(json_build_object('table', r.ev_class::int8, 'name', r.rulename) order by r.rulename), '[]')
  from pg_rewrite r join relation c on c.oid = r.ev_class where r.rulename <> '_RETURN'),
'publications', (select coalesce(json_agg(json_build_object('name', pubname, 'schema', schemaname, 'table', tablename)
    order by pubname, schemaname, tablename), '[]') from pg_publication_tables),
'slots', (select coalesce(json_agg(slot_name order by slot_name), '[]') from pg_replication_slots
  where slot_type = 'logical' and database = current_database()),
'extensions', (select json_agg(extname order by extname) from pg_extension),
'untrusted_languages', (select coalesce(json_agg(lanname order by lanname), '[]') from pg_language
  where not lanpltrusted and lanname not in ('internal', 'c')),
'role_settings', (select coalesce(json_agg(json_build_object('role', s.setrole::int8, 'database', s.setdatabase <> 0, 'setting', c)), '[]')
  from pg_db_role_setting s cross join unnest(s.setconfig) c
  where s.setdatabase = 0 or s.setdatabase = (select oid from pg_database where datname = current_database())),
'parameter_grants', (select coalesce(json_agg(json_build_object('name', p.parname, 'grants', (
    select json_agg(json_build_object('grantee', a.grantee::int8, 'privilege', a.privilege_type, 'grantable', a.is_grantable))
    from aclexplode(p.paracl) a)) order by p.parname), '[]') from pg_parameter_acl p),
'default_grants', (select coalesce(json_agg(json_build_object('kind', d.defaclobjtype, 'owner', d.defaclrole::int8,
    'schema', (select nspname from pg_namespace where oid = d.defaclnamespace),
    'grantee', a.grantee::int8, 'privilege', a.privilege_type, 'grantable', a.is_grantable)), '[]')
  from pg_default_acl d cross join aclexplode(d.defaclacl) a)
)::text as facts
