//! Types as they are written.

use super::{Reader, is_capital};
use crate::syntax::ast::{FieldType, TypeExpr, TypeExprKind};

impl Reader<'_> {
    pub(super) fn ty(&mut self) -> Option<TypeExpr> {
        self.enter()?;
        let start = self.at;
        let mut ty = if self.peek() == b'{' {
            let fields = self.braced(Reader::field_type)?;
            TypeExpr { span: self.span(start), kind: TypeExprKind::Record(fields) }
        } else {
            self.type_name()?
        };
        self.rises(self.height + 1)?;
        self.skip();
        if self.eat(b'?') {
            let span = self.span(start);
            ty = TypeExpr { span, kind: TypeExprKind::Option(Box::new(ty)) };
            self.rises(self.height + 1)?;
            self.skip();
            if self.peek() == b'?' {
                return None;
            }
        }
        self.leave();
        Some(ty)
    }

    fn type_name(&mut self) -> Option<TypeExpr> {
        let start = self.at;
        self.height = 0;
        let names = self.names()?;
        if !self.eat(b'[') {
            let last = names.last()?;
            if !is_capital(&last.node)
                || matches!(&names[..], [only] if matches!(&*only.node, "List" | "Map"))
            {
                return None;
            }
            // The grammar's rule goes on over blanks and comments, in search of `[`.
            let end = start + self.written(start).trim_end_matches([' ', '\t', '\r', '\n']).len();
            return Some(TypeExpr { span: self.place(start, end), kind: TypeExprKind::Name(names) });
        }
        let [name] = &names[..] else { return None };
        let args = self.listed(b']', Reader::ty)?;
        let mut args = args.into_iter().map(Box::new);
        let kind = match (name.node.as_str(), args.next(), args.next(), args.next()) {
            ("List", Some(of), None, None) => TypeExprKind::List(of),
            ("Map", Some(key), Some(value), None) => TypeExprKind::Map(key, value),
            _ => return None,
        };
        Some(TypeExpr { span: self.span(start), kind })
    }

    /// `name: Type = default`, of a parameter or a field.
    pub(super) fn field_type(&mut self) -> Option<FieldType> {
        let name = self.value_name()?;
        self.skip();
        self.need(b':')?;
        self.skip_lines();
        let ty = self.ty()?;
        let mut tallest = self.height;
        let mut default = None;
        if self.peek() == b'=' {
            self.gives()?;
            default = Some(self.expr()?);
            tallest = tallest.max(self.height);
        }
        self.height = tallest;
        Some(FieldType { name, ty, default })
    }
}
