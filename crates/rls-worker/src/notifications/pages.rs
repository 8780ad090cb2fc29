//! What a message is about in, the page to look at it out.

use url::Url;
use uuid::Uuid;

/// Where people look at what messages tell of. A link names a row by its id: whose it is, the page finds out itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pages(Url);

impl Pages {
    /// The page of an order that is caught.
    #[must_use]
    pub fn caught_order(&self, id: Uuid) -> String {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("caught-orders").push(&id.to_string());
        }
        url.into()
    }
}

impl std::str::FromStr for Pages {
    type Err = String;

    /// Reads the URL that all pages lie below.
    fn from_str(text: &str) -> Result<Pages, String> {
        let url = Url::parse(text).map_err(|_| "write it as `https://app.example.com`".to_owned())?;
        let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        match url.scheme() {
            "https" | "http" if is_plain && url.fragment().is_none() => Ok(Pages(url)),
            "https" | "http" => Err("pages lie below a URL without a password, a query and a fragment".to_owned()),
            _ => Err("the URL of the pages starts with `https://`".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_lies_below_the_url() {
        for base in ["https://app.example.com", "https://app.example.com/", "https://app.example.com/trade/"] {
            let link = base.parse::<Pages>().unwrap().caught_order(Uuid::nil());
            let expected = format!("{}/caught-orders/00000000-0000-0000-0000-000000000000", base.trim_end_matches('/'));
            assert_eq!(link, expected);
        }
        for base in [
            "",
            "app.example.com",
            "javascript:alert(1)",
            "https://u:p@e.com",
            "https://e.com/?a=b",
            "https://e.com/#a",
        ] {
            assert!(base.parse::<Pages>().is_err(), "{base}");
        }
    }
}
