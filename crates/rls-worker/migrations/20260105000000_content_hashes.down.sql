alter table catalog_products drop column content_hash;
drop function catalog_content_hash;
