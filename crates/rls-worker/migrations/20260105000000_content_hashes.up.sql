-- Whether a product is still the same: one hash of all that a catalog says of it, which no statement can forget to write.

create function catalog_content_hash(
    title text, description text, category text, hs_code text, country_of_origin text, country_of_export text,
    manufacturer text, exporter_name text, exporter_id text, unit_cost numeric, currency text, uom text,
    net_weight_kg numeric, attributes jsonb, aliases text[], gtin text) returns text
    language sql immutable parallel safe
    -- A cost of 320.00 is one of 320, and so is an array that is the same.
    as $$ select encode(sha256(convert_to(jsonb_build_array(title, description, category, hs_code, country_of_origin,
        country_of_export, manufacturer, exporter_name, exporter_id, trim_scale(unit_cost), currency, uom,
        trim_scale(net_weight_kg), attributes, aliases, gtin)::text, 'UTF8')), 'hex') $$;

alter table catalog_products add column content_hash text not null generated always as (
    catalog_content_hash(title, description, category, hs_code, country_of_origin, country_of_export, manufacturer,
        exporter_name, exporter_id, unit_cost, currency, uom, net_weight_kg, attributes, aliases, gtin)) stored;
