-- Takes back what defects leave behind; the schema is made anew after it.
alter role {app} nosuperuser nobypassrls nocreaterole nocreatedb noreplication inherit;
alter role {other} nosuperuser nobypassrls;
alter role {owner} nobypassrls;
alter role {app} reset all;
alter role {app} in database {db} reset all;
alter database {db} reset all;
alter database {db} owner to {owner};
revoke {owner}, {other}, pg_read_server_files, pg_read_all_data from {app};
revoke {owner} from {other};
drop publication if exists p, everything;
drop extension if exists dblink, postgres_fdw, btree_gist cascade;
drop schema public, g, "Odd Schema" cascade;
drop owned by {app}, {other} cascade;
create schema public authorization {owner};
grant usage on schema public to {app};
alter function pg_catalog.lower(text) not leakproof;
select lo_unlink(oid) from pg_largeobject_metadata;
