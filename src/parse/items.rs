//! Items: modules, uses, types, impls, constants. Functions are in `functions.rs`, macros in `macros.rs`.

use proc_macro2::Span as TokenSpan;
use syn::{Attribute, Ident, ImplItem, Item, TraitItem, UseTree, Visibility};

use super::lower::{Lower, name};
use super::places::between;
use super::{attrs, types};
use crate::facts::{
    Block, Const, Expr, ExprKind, Field, Generic, Impl, Module, Name, Owner, Stmt, Type, TypeDef, TypeKind, Use,
};

/// What `const` and `static` items have in common.
struct ConstParts<'a> {
    ident: &'a syn::Ident,
    ty: &'a syn::Type,
    value: Option<&'a syn::Expr>,
}

/// What the definitions of types have in common.
struct TypeParts<'a> {
    attributes: &'a [Attribute],
    ident: &'a syn::Ident,
    generics: &'a syn::Generics,
    kind: TypeKind,
}

impl Lower<'_> {
    pub(super) fn item(&mut self, item: &Item) {
        match item {
            Item::Const(item) => {
                let start = self.first(&item.attrs, &item.vis, item.const_token.span);
                self.anchor(between(start, self.places.end(item.semi_token.span)));
                self.tested_const(
                    &item.attrs,
                    &ConstParts { ident: &item.ident, ty: &item.ty, value: Some(&item.expr) },
                );
            }
            Item::Static(item) => {
                let start = self.first(&item.attrs, &item.vis, item.static_token.span);
                self.anchor(between(start, self.places.end(item.semi_token.span)));
                self.tested_const(
                    &item.attrs,
                    &ConstParts { ident: &item.ident, ty: &item.ty, value: Some(&item.expr) },
                );
            }
            Item::Enum(item) => self.enum_item(item),
            Item::Struct(item) => self.struct_item(item),
            Item::Union(item) => {
                let kind = TypeKind::Struct(self.named_fields(&item.fields));
                let parts = TypeParts { attributes: &item.attrs, ident: &item.ident, generics: &item.generics, kind };
                self.type_def(parts);
            }
            Item::Type(item) => {
                let kind = TypeKind::Alias(types::ty(&item.ty));
                let parts = TypeParts { attributes: &item.attrs, ident: &item.ident, generics: &item.generics, kind };
                self.type_def(parts);
            }
            Item::TraitAlias(item) => {
                let kind = TypeKind::Trait(types::bounds(&item.bounds), Vec::new());
                let parts = TypeParts { attributes: &item.attrs, ident: &item.ident, generics: &item.generics, kind };
                self.type_def(parts);
            }
            Item::Fn(item) => self.fn_item(item),
            Item::Impl(item) => self.impl_item(item),
            Item::Trait(item) => self.trait_item(item),
            Item::Mod(item) => self.mod_item(item),
            Item::Use(item) => self.use_item(item),
            Item::Macro(item) => self.macro_item(item),
            Item::Verbatim(tokens) => self.verbatim_item(tokens.clone()),
            _ => {}
        }
    }

    /// Where an item starts: at its first attribute, its visibility, or its keyword.
    pub(super) fn first(&self, attributes: &[Attribute], visibility: &Visibility, keyword: TokenSpan) -> u32 {
        let outer = attributes.iter().find(|attribute| matches!(attribute.style, syn::AttrStyle::Outer));
        let span = match (outer, visibility) {
            (Some(attribute), _) => attribute.pound_token.span,
            (None, Visibility::Public(token)) => token.span,
            (None, Visibility::Restricted(restricted)) => restricted.pub_token.span,
            (None, Visibility::Inherited) => keyword,
        };
        self.places.start(span)
    }

    pub(super) fn members_of_impl(&mut self, item: &ImplItem) {
        match item {
            ImplItem::Fn(item) => self.impl_fn(item),
            ImplItem::Const(item) => {
                self.tested_const(
                    &item.attrs,
                    &ConstParts { ident: &item.ident, ty: &item.ty, value: Some(&item.expr) },
                );
            }
            ImplItem::Type(item) => self.impl_type(&item.ident, &item.ty),
            ImplItem::Macro(item) => self.item_macro_call(&item.attrs, &item.mac),
            ImplItem::Verbatim(tokens) => self.verbatim_item(tokens.clone()),
            _ => {}
        }
    }

    pub(super) fn members_of_trait(&mut self, item: &TraitItem) {
        match item {
            TraitItem::Fn(item) => self.trait_fn(item),
            TraitItem::Const(item) => {
                let value = item.default.as_ref().map(|(_, value)| value);
                self.tested_const(&item.attrs, &ConstParts { ident: &item.ident, ty: &item.ty, value });
            }
            TraitItem::Macro(item) => self.item_macro_call(&item.attrs, &item.mac),
            TraitItem::Verbatim(tokens) => self.verbatim_item(tokens.clone()),
            _ => {}
        }
    }

    /// Opens a module of this file and reads in it.
    pub(super) fn in_module(&mut self, module: Module, read: impl FnOnce(&mut Self)) {
        let before = self.module;
        let index = crate::source::to_u32(self.facts.modules.len());
        let is_test = module.in_test;
        self.facts.modules.push(module);
        self.module = index;
        self.owned_by(Owner::Module, |lower| lower.tested(is_test, read));
        self.module = before;
    }

    /// The path of a module with this name inside the present one.
    pub(super) fn module_path(&self, name: Name) -> Vec<Name> {
        let parent = &self.facts.modules[self.module as usize];
        parent.path.iter().cloned().chain([name]).collect()
    }

    /// Registers an `impl` and reads its members.
    pub(super) fn in_impl(&mut self, lowered: Impl, read: impl FnOnce(&mut Self)) {
        let index = crate::source::to_u32(self.facts.impls.len());
        self.facts.impls.push(lowered);
        self.owned_by(Owner::Impl(index), read);
    }

    fn impl_type(&mut self, ident: &syn::Ident, ty: &syn::Type) {
        let field = Field { name: name(ident), ty: types::ty(ty) };
        if let Owner::Impl(index) = self.owner
            && let Some(owner) = self.facts.impls.get_mut(index as usize)
        {
            owner.types.push(field);
        }
    }

    fn mod_item(&mut self, item: &syn::ItemMod) {
        let start = self.first(&item.attrs, &item.vis, item.mod_token.span);
        let end = match (&item.content, &item.semi) {
            (Some((brace, _)), _) => self.places.end(brace.span.close()),
            (None, Some(semi)) => self.places.end(semi.span),
            (None, None) => self.places.end(item.ident.span()),
        };
        let span = between(start, end);
        self.anchor(span);
        let module = Module {
            path: self.module_path(name(&item.ident)),
            span,
            is_declaration: item.content.is_none(),
            in_test: self.in_test || attrs::is_test(&item.attrs),
        };
        let items = item.content.as_ref().map_or(&[][..], |(_, items)| items);
        self.in_module(module, |lower| items.iter().for_each(|item| lower.item(item)));
    }

    fn use_item(&mut self, item: &syn::ItemUse) {
        let is_public = !matches!(item.vis, Visibility::Inherited);
        self.use_tree(&item.tree, &mut Vec::new(), is_public);
    }

    fn use_tree(&mut self, tree: &UseTree, prefix: &mut Vec<Name>, is_public: bool) {
        let (path, name) = match tree {
            UseTree::Path(tree) => {
                prefix.push(name(&tree.ident));
                self.use_tree(&tree.tree, prefix, is_public);
                prefix.pop();
                return;
            }
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.use_tree(tree, prefix, is_public));
                return;
            }
            UseTree::Glob(_) => (prefix.clone(), None),
            UseTree::Name(tree) => used(prefix, name(&tree.ident), None),
            UseTree::Rename(tree) => used(prefix, name(&tree.ident), Some(name(&tree.rename))),
        };
        self.facts.uses.push(Use { module: self.module, path, name, is_public });
    }

    fn struct_item(&mut self, item: &syn::ItemStruct) {
        let start = self.first(&item.attrs, &item.vis, item.struct_token.span);
        let end = match (&item.semi_token, &item.fields) {
            (Some(semi), _) => self.places.end(semi.span),
            (None, syn::Fields::Named(fields)) => self.places.end(fields.brace_token.span.close()),
            (None, _) => self.places.end(item.ident.span()),
        };
        self.anchor(between(start, end));
        let kind = TypeKind::Struct(self.fields(&item.fields));
        self.type_def(TypeParts { attributes: &item.attrs, ident: &item.ident, generics: &item.generics, kind });
    }

    fn enum_item(&mut self, item: &syn::ItemEnum) {
        let start = self.first(&item.attrs, &item.vis, item.enum_token.span);
        self.anchor(between(start, self.places.end(item.brace_token.span.close())));
        let variants =
            item.variants.iter().map(|variant| (name(&variant.ident), self.fields(&variant.fields))).collect();
        let kind = TypeKind::Enum(variants);
        self.type_def(TypeParts { attributes: &item.attrs, ident: &item.ident, generics: &item.generics, kind });
    }

    fn fields(&mut self, fields: &syn::Fields) -> Vec<Field> {
        match fields {
            syn::Fields::Named(fields) => self.named_fields(fields),
            syn::Fields::Unnamed(fields) => fields
                .unnamed
                .iter()
                .enumerate()
                .map(|(index, field)| Field { name: smol_str::format_smolstr!("{index}"), ty: types::ty(&field.ty) })
                .collect(),
            syn::Fields::Unit => Vec::new(),
        }
    }

    fn named_fields(&mut self, fields: &syn::FieldsNamed) -> Vec<Field> {
        let named = fields.named.iter().filter_map(|field| Some((field, field.ident.as_ref()?)));
        named
            .map(|(field, ident)| {
                if self.anchors.is_some() {
                    let start = self.first(&field.attrs, &field.vis, ident.span());
                    self.anchor(between(start, self.places.end(ident.span())));
                }
                Field { name: name(ident), ty: types::ty(&field.ty) }
            })
            .collect()
    }

    fn type_def(&mut self, parts: TypeParts<'_>) -> u32 {
        self.facts.types.push(TypeDef {
            name: name(parts.ident),
            module: self.module,
            span: self.places.span(parts.ident.span()),
            generics: types::generics(parts.generics),
            kind: parts.kind,
            attributes: attrs::names(parts.attributes),
        });
        crate::source::to_u32(self.facts.types.len() - 1)
    }

    fn trait_item(&mut self, item: &syn::ItemTrait) {
        let start = self.first(&item.attrs, &item.vis, item.trait_token.span);
        self.anchor(between(start, self.places.end(item.brace_token.span.close())));
        let associated = item.items.iter().filter_map(|member| match member {
            TraitItem::Type(ty) => Some(Generic { name: name(&ty.ident), bounds: types::bounds(&ty.bounds) }),
            _ => None,
        });
        let kind = TypeKind::Trait(types::bounds(&item.supertraits), associated.collect());
        let parts = TypeParts { attributes: &item.attrs, ident: &item.ident, generics: &item.generics, kind };
        let index = self.type_def(parts);
        self.owned_by(Owner::Trait(index), |lower| {
            lower.tested(attrs::is_test(&item.attrs), |lower| {
                item.items.iter().for_each(|member| lower.members_of_trait(member));
            });
        });
    }

    fn impl_item(&mut self, item: &syn::ItemImpl) {
        let keyword = item.unsafety.map_or(item.impl_token.span, |token| token.span);
        let start = self.first(&item.attrs, &Visibility::Inherited, keyword);
        self.anchor(between(start, self.places.end(item.brace_token.span.close())));
        let lowered = self.impl_header(item);
        self.in_impl(lowered, |lower| {
            lower.tested(attrs::is_test(&item.attrs), |lower| {
                item.items.iter().for_each(|member| lower.members_of_impl(member));
            });
        });
    }

    /// An `impl` without its members.
    pub(super) fn impl_header(&self, item: &syn::ItemImpl) -> Impl {
        Impl {
            module: self.module,
            generics: types::generics(&item.generics),
            self_type: types::ty(&item.self_ty),
            of_trait: item.trait_.as_ref().map(|(path, _)| Type::Path(types::path(None, path))),
            types: Vec::new(),
        }
    }

    fn tested_const(&mut self, attributes: &[Attribute], parts: &ConstParts<'_>) {
        let owner = self.owner;
        let value = self.tested(attrs::is_test(attributes), |lower| {
            let value = parts.value.map(|value| lower.expr(value))?;
            lower.initialiser(parts.ident, &value);
            Some(value)
        });
        self.facts.consts.push(Const {
            name: name(parts.ident),
            module: self.module,
            owner,
            ty: types::ty(parts.ty),
            value,
        });
    }

    /// What runs to make the value, `LazyLock::new(|| ..)` above all, is code like any other: a function of the same name.
    fn initialiser(&mut self, ident: &Ident, value: &Expr) {
        let is_code = matches!(
            value.kind,
            ExprKind::Call(..) | ExprKind::Chain(..) | ExprKind::Macro(_) | ExprKind::Block(_) | ExprKind::Closure(_)
        );
        if is_code {
            let mut function = self.bare_function(name(ident), value.span, self.places.span(ident.span()));
            function.body = Some(Block { stmts: vec![Stmt::Expr(value.clone())] });
            self.facts.functions.push(function);
        }
    }
}

/// `use a::{self}` and `use a::{self as b}` import `a`.
fn used(prefix: &[Name], last: Name, rename: Option<Name>) -> (Vec<Name>, Option<Name>) {
    let is_self = last == "self" && !prefix.is_empty();
    let path: Vec<Name> = if is_self { prefix.to_vec() } else { prefix.iter().cloned().chain([last]).collect() };
    let name = rename.or_else(|| path.last().cloned());
    (path, name)
}
