//! Types, paths and generics.

use syn::punctuated::Punctuated;
use syn::{GenericArgument, GenericParam, PathArguments, ReturnType, TypeParamBound, WherePredicate};

use super::compact::at_most;
use super::lower::name;
use crate::facts::{Arguments, Generic, Path, Segment, Type};

/// Types are followed this deep; deeper ones mean nothing to anybody.
const DEEPEST: u32 = 64;

/// Lowers a type.
pub(super) fn ty(ty: &syn::Type) -> Type {
    at_depth(ty, 0)
}

/// Lowers the path of an expression, a type or a pattern, with `<T as Trait>` if it has one.
pub(super) fn path(qself: Option<&syn::QSelf>, path: &syn::Path) -> Path {
    path_at(qself, path, 0)
}

/// The type arguments of a turbofish.
pub(super) fn turbofish(arguments: Option<&syn::AngleBracketedGenericArguments>) -> Vec<Type> {
    arguments.map_or_else(Vec::new, |arguments| type_arguments(arguments, 0))
}

/// What a function or closure returns: the empty tuple where nothing is written.
pub(super) fn output(output: &ReturnType) -> Type {
    match output {
        ReturnType::Default => Type::Tuple(Vec::new()),
        ReturnType::Type(_, written) => ty(written),
    }
}

/// Type parameters with their bounds, those of the `where` clause included.
pub(super) fn generics(generics: &syn::Generics) -> Vec<Generic> {
    let mut lowered: Vec<Generic> = generics
        .params
        .iter()
        .filter_map(|param| match param {
            GenericParam::Type(param) => Some(Generic { name: name(&param.ident), bounds: bounds(&param.bounds) }),
            GenericParam::Lifetime(_) | GenericParam::Const(_) => None,
        })
        .collect();
    let predicates = generics.where_clause.iter().flat_map(|clause| &clause.predicates);
    for predicate in predicates {
        let WherePredicate::Type(predicate) = predicate else { continue };
        let Type::Path(bounded) = ty(&predicate.bounded_ty) else { continue };
        let Some(bounded) = bounded.ident() else { continue };
        if let Some(generic) = lowered.iter_mut().find(|generic| generic.name == *bounded) {
            generic.bounds.extend(bounds(&predicate.bounds));
        }
    }
    lowered
}

/// The traits of a list of bounds.
pub(super) fn bounds<P>(bounds: &Punctuated<TypeParamBound, P>) -> Vec<Type> {
    bounds_at(bounds, 0)
}

fn at_depth(ty: &syn::Type, depth: u32) -> Type {
    if depth > DEEPEST {
        return Type::Other;
    }
    let inner = |ty: &syn::Type| at_depth(ty, depth + 1);
    match ty {
        syn::Type::Array(array) => Type::Slice(Box::new(inner(&array.elem))),
        syn::Type::FnPtr(pointer) => Type::Fn(
            pointer.inputs.iter().map(|input| inner(&input.ty)).collect(),
            Box::new(output_at(&pointer.output, depth + 1)),
        ),
        syn::Type::Group(group) => inner(&group.elem),
        syn::Type::ImplTrait(bound) => Type::Impl(bounds_at(&bound.bounds, depth + 1)),
        syn::Type::Infer(_) => Type::Infer,
        syn::Type::Paren(paren) => inner(&paren.elem),
        syn::Type::Path(path) => Type::Path(path_at(path.qself.as_ref(), &path.path, depth + 1)),
        syn::Type::Ptr(pointer) => Type::Ref(Box::new(inner(&pointer.elem))),
        syn::Type::Reference(reference) => Type::Ref(Box::new(inner(&reference.elem))),
        syn::Type::Slice(slice) => Type::Slice(Box::new(inner(&slice.elem))),
        syn::Type::TraitObject(object) => Type::Dyn(bounds_at(&object.bounds, depth + 1)),
        syn::Type::Tuple(tuple) => Type::Tuple(at_most(tuple.elems.len(), tuple.elems.iter().map(inner))),
        _ => Type::Other,
    }
}

fn output_at(output: &ReturnType, depth: u32) -> Type {
    match output {
        ReturnType::Default => Type::Tuple(Vec::new()),
        ReturnType::Type(_, written) => at_depth(written, depth),
    }
}

fn bounds_at<P>(bounds: &Punctuated<TypeParamBound, P>, depth: u32) -> Vec<Type> {
    bounds
        .iter()
        .filter_map(|bound| match bound {
            // `?Sized` takes a bound away.
            TypeParamBound::Trait(bound) if bound.maybe.is_none() => {
                Some(Type::Path(path_at(None, &bound.path, depth)))
            }
            _ => None,
        })
        .collect()
}

fn path_at(qself: Option<&syn::QSelf>, path: &syn::Path, depth: u32) -> Path {
    let segments = at_most(path.segments.len(), path.segments.iter().map(|segment| self::segment(segment, depth)));
    let self_type = qself.map(|qself| Box::new(at_depth(&qself.ty, depth + 1)));
    Path { self_type, segments }
}

fn segment(segment: &syn::PathSegment, depth: u32) -> Segment {
    let name = name(&segment.ident);
    match &segment.arguments {
        PathArguments::None => Segment { name, ..Segment::default() },
        PathArguments::AngleBracketed(arguments) => {
            let types = type_arguments(arguments, depth + 1);
            let arguments = (!types.is_empty()).then(|| Box::new(Arguments { types, inputs: None }));
            Segment { name, arguments }
        }
        PathArguments::Parenthesized(arguments) => Segment {
            name,
            arguments: Some(Box::new(Arguments {
                types: vec![output_at(&arguments.output, depth + 1)],
                inputs: Some(arguments.inputs.iter().map(|input| at_depth(&input.ty, depth + 1)).collect()),
            })),
        },
    }
}

fn type_arguments(arguments: &syn::AngleBracketedGenericArguments, depth: u32) -> Vec<Type> {
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(at_depth(ty, depth + 1)),
        GenericArgument::AssocType(associated) => Some(at_depth(&associated.ty, depth + 1)),
        GenericArgument::Constraint(constraint) => Some(Type::Impl(bounds_at(&constraint.bounds, depth + 1))),
        _ => None,
    });
    at_most(arguments.args.len(), types)
}
