-- Looks at every target as the runtime role, and leaves what it saw in the setting rls_verify.seen.
-- The caller rolls the transaction back; what gets written is undone at once by its own savepoint.
declare
  setting constant text := {setting};
  stranger constant text := {stranger};
  foreign_tenant constant text := {foreign};
  given constant text[] := {tenants};
  scoped constant boolean := {scoped};
  targets jsonb := {targets};
  seen jsonb := '[]';
  place integer;
  target jsonb;
  tenants text[];
  tenant text;
  hit boolean;
  written bigint;
  about_table text;
  about_column text;
  about_constraint text;
  about_type text;
  about_context text;
begin
  if scoped then
    -- Two tenants that exist, as far as the connected role may see any.
    for place in 0 .. jsonb_array_length(targets) - 1 loop
      target := targets -> place;
      tenants := given;
      begin
        if tenants = '{}' then
          execute format('select %s::text from %s limit 1', target ->> 'column', target ->> 'sql') into tenant;
          if tenant is not null then
            tenants := array[tenant];
            execute format('select %1$s::text from %2$s where %1$s::text <> %3$L limit 1',
              target ->> 'column', target ->> 'sql', tenant) into tenant;
            tenants := array_remove(tenants || tenant, null);
          end if;
        end if;
      exception when others then
        tenants := '{}';
      end;
      targets := jsonb_set(targets, array[place::text, 'tenants'], to_jsonb(tenants));
    end loop;
  end if;

  execute format('set local role %I', {role});

  -- No tenant: as a fresh session is, for all targets before any setting is made, then as one is that has had a tenant.
  foreach tenant in array array[null, ''] loop
    continue when tenant is null and current_setting(setting, true) is not null;
    if tenant is not null then
      perform set_config(setting, tenant, true);
    end if;
    for target in select * from jsonb_array_elements(targets) loop
      continue when not (target ->> 'select')::boolean;
      begin
        execute format('select exists (select from %s)', target ->> 'sql') into hit;
        if hit then
          seen := seen || jsonb_build_array(jsonb_build_array({missing}, target ->> 'label', coalesce(tenant, 'unset')));
        end if;
      exception when others then null;
      end;
    end loop;
  end loop;

  for target in select * from jsonb_array_elements(targets) loop
    if scoped and (target ->> 'table')::boolean and not row_security_active(target ->> 'sql') then
      seen := seen || jsonb_build_array(jsonb_build_array('P1', target ->> 'label', ''));
    end if;

    if scoped and (target ->> 'select')::boolean then
      begin
        perform set_config(setting, stranger, true);
        execute format('select exists (select from %s where %s::text is distinct from %L)',
          target ->> 'sql', target ->> 'column', stranger) into hit;
        if hit then
          seen := seen || jsonb_build_array(jsonb_build_array('P3', target ->> 'label', stranger));
        end if;
      exception when others then null;
      end;

      -- One plan for two tenants, as a pooled connection has it.
      begin
        perform set_config(setting, stranger, true);
        execute format('prepare rls_verify_plan(text) as select exists (select from %s where %s::text is distinct from $1)',
          target ->> 'sql', target ->> 'column');
        foreach tenant in array array(select jsonb_array_elements_text(target -> 'tenants')) loop
          perform set_config(setting, tenant, true);
          execute format('execute rls_verify_plan(%L)', tenant) into hit;
          if hit then
            seen := seen || jsonb_build_array(jsonb_build_array('P6', target ->> 'label', tenant));
          end if;
        end loop;
        deallocate rls_verify_plan;
      exception when others then
        if exists (select from pg_prepared_statements where name = 'rls_verify_plan') then
          deallocate rls_verify_plan;
        end if;
      end;
    end if;

    if scoped and target ->> 'insert' is not null then
      begin
        perform set_config(setting, stranger, true);
        execute format(target ->> 'insert', foreign_tenant);
        get diagnostics written = row_count;
        if written > 0 then
          raise exception using errcode = 'RLSP4', table = target ->> 'label', column = 'row';
        end if;
      exception
        when sqlstate 'RLSP4' or not_null_violation or check_violation or unique_violation
          or exclusion_violation or foreign_key_violation then
          -- Constraints are asked after the policies, so one that speaks up shows that no policy did.
          -- A domain, a trigger and a missing partition speak up earlier; they name no column or constraint of a table.
          get stacked diagnostics about_table := table_name, about_column := column_name,
            about_constraint := constraint_name, about_type := pg_datatype_name, about_context := pg_exception_context;
          if about_table <> '' and about_column || about_constraint <> '' and about_type = ''
            and about_context !~ 'PL/pgSQL function (?!inline_code_block)' then
            seen := seen || jsonb_build_array(jsonb_build_array('P4', target ->> 'label', sqlstate));
          end if;
        when others then null;
      end;
    end if;

    if scoped and target ->> 'update' is not null and jsonb_array_length(target -> 'tenants') > 0 then
      begin
        perform set_config(setting, target -> 'tenants' ->> 0, true);
        execute format(target ->> 'update', foreign_tenant);
        get diagnostics written = row_count;
        if written > 0 then
          raise exception using errcode = 'RLSP4';
        end if;
      exception
        when sqlstate 'RLSP4' then
          seen := seen || jsonb_build_array(jsonb_build_array('P4', target ->> 'label', 'update'));
        when others then null;
      end;
    end if;
    perform set_config(setting, '', true);
  end loop;
  perform set_config('rls_verify.seen', seen::text, true);
end
