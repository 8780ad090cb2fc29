//! A tenant table in, SQL that gives it a leading index and that refuses keys without the tenant out.

use super::{TenantTable, quote_ident, quote_literal};

impl TenantTable {
    /// Adds an index that leads with the tenant column, unless the table already has one.
    #[must_use]
    pub fn tenant_index(&self) -> String {
        let table = quote_literal(&self.table.to_string());
        let column = quote_literal(&self.column);
        let create = quote_literal(&format!("create index on {} ({})", self.table, quote_ident(&self.column)));
        let body = format!(
            "begin\n  \
               if not exists (\n    \
                 select from pg_index i\n    \
                 join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]\n    \
                 where i.indrelid = {table}::regclass and a.attname = {column}\n      \
                   and i.indisvalid and i.indpred is null\n  \
               ) then\n    \
                 execute {create};\n  \
               end if;\n\
             end"
        );
        format!("do {};\n", quote_body(&body))
    }

    /// Fails where a unique key or a foreign key of the table leaves the tenant out.
    ///
    /// A unique key over all tenants tells one tenant what another has.
    /// A foreign key without the tenant lets one tenant's row point at another's.
    #[must_use]
    pub fn check_keys(&self) -> String {
        let table = quote_literal(&self.table.to_string());
        let column = quote_literal(&self.column);
        let body = format!(
            "declare\n  bad text;\n\
             begin\n  \
               select string_agg(name, ', ' order by name) into bad from (\n    \
                 select i.indexrelid::regclass::text as name\n    \
                 from pg_index i\n    \
                 where i.indrelid = {table}::regclass and (i.indisunique or i.indisexclusion)\n      \
                   and not exists (\n        \
                     select from pg_attribute a\n        \
                     where a.attrelid = i.indrelid and a.attname = {column}\n          \
                       and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])\n      \
                   )\n    \
                 union all\n    \
                 select k.conname::text\n    \
                 from pg_constraint k\n    \
                 join pg_attribute p on p.attrelid = k.confrelid and p.attname = {column}\n    \
                 where k.conrelid = {table}::regclass and k.contype = 'f'\n      \
                   and not exists (\n        \
                     select from unnest(k.conkey, k.confkey) as pair(child, parent)\n        \
                     join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child\n        \
                     where c.attname = {column} and pair.parent = p.attnum\n      \
                   )\n  \
               ) keys;\n  \
               if bad is not null then\n    \
                 raise exception 'keys without the tenant column: %', bad;\n  \
               end if;\n\
             end"
        );
        format!("do {};\n", quote_body(&body))
    }
}

/// Dollar-quotes a code block with a tag that does not occur in it.
pub(crate) fn quote_body(body: &str) -> String {
    let mut tag = String::from("$rls$");
    while body.contains(&tag) {
        tag.insert(1, 'x');
    }
    format!("{tag}\n{body}\n{tag}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_holds_the_tag_gets_another() {
        assert_eq!(quote_body("$rls$"), "$xrls$\n$rls$\n$xrls$");
    }
}
