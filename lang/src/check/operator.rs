//! Operators: what each works on and gives.

use super::Checker;
use super::mismatch::{Role, article};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::ir::{Ir, Kind};
use crate::span::{Span, Spanned};
use crate::syntax::ast::{BinaryOp, Expr, ExprKind, UnaryOp};
use crate::types::{Plain, Type};

impl<'p> Checker<'p> {
    pub(super) fn unary(&mut self, op: UnaryOp, operand: &'p Expr, span: Span) -> (Ir, Type) {
        let (want, what) = match op {
            UnaryOp::Not => (Type::from(Plain::Bool), "`not`"),
            UnaryOp::Negate => (Type::from(Plain::Int), "`-`"),
        };
        let ir = self.expect(operand, &want, &Role::Part(what));
        (Ir::new(span, Kind::Unary(op, Box::new(ir))), want)
    }

    pub(super) fn binary(
        &mut self,
        op: &'p Spanned<BinaryOp>,
        left: &'p Expr,
        right: &'p Expr,
        span: Span,
        want: &Type,
    ) -> (Ir, Type) {
        use BinaryOp::*;
        let bool_type = Type::from(Plain::Bool);
        let make = |a: Ir, b: Ir| Ir::new(span, Kind::Binary(op.node, Box::new(a), Box::new(b)));
        match op.node {
            Or | And => {
                let role = Role::Part(if op.node == Or { "`or`" } else { "`and`" });
                let (a, b) = (self.expect(left, &bool_type, &role), self.expect(right, &bool_type, &role));
                (make(a, b), bool_type)
            }
            Concat => self.concat(op.span, left, right, span, want),
            Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual => {
                // A bare variant on the left gets its enum from the right.
                let bare = matches!(&left.kind, ExprKind::Name(name) if !self.is_known(name));
                let ((a, a_type), (b, b_type)) = if bare {
                    let b = self.expr(right, &Type::Unknown);
                    (self.expr(left, &b.1), b)
                } else {
                    let a = self.expr(left, &Type::Unknown);
                    let b = self.expr(right, &a.1);
                    (a, b)
                };
                let fits = match op.node {
                    Equal | NotEqual => Type::is_comparable,
                    _ => is_ordered,
                };
                match a_type.join(&b_type) {
                    Some(ty) if fits(&ty) => {
                        let role = Role::Part("a comparison");
                        let (a, b) =
                            (self.coerce(a, &a_type, &ty, &role), self.coerce(b, &b_type, &ty, &role));
                        (make(a, b), bool_type)
                    }
                    _ => self.no_operator(op, &a_type, &b_type, left.span, right.span, bool_type),
                }
            }
            Add | Subtract | Multiply => {
                let (a, a_type) = self.expr(left, &Type::Unknown);
                let (b, b_type) = self.expr(right, &Type::Unknown);
                match arithmetic(op.node, &a_type, &b_type) {
                    Some(ty) => (make(a, b), ty),
                    None => self.no_operator(op, &a_type, &b_type, left.span, right.span, Type::Error),
                }
            }
        }
    }

    fn concat(&mut self, op: Span, left: &'p Expr, right: &'p Expr, span: Span, want: &Type) -> (Ir, Type) {
        let (a, a_type) = self.expr(left, want);
        let want = if matches!(want, Type::Unknown) { &a_type } else { want };
        let (b, b_type) = self.expr(right, want);
        let joinable = |ty: &Type| matches!(ty, Type::Plain(Plain::String)) || ty.element().is_some();
        let ty = match a_type.join(&b_type) {
            _ if a_type.is_broken() || b_type.is_broken() => return (Ir::poison(span), Type::Error),
            Some(ty) if joinable(&ty) => ty,
            _ => {
                let help = match (&a_type, &b_type) {
                    (list, element) if list.element().is_some_and(|of| element.convert(of).is_some()) => {
                        "a single element is put in brackets: `xs ++ [x]`".to_owned()
                    }
                    (Type::Record(_), _) => {
                        "a record is changed by `record with { field = value }`".to_owned()
                    }
                    (Type::Plain(Plain::String), other) | (other, Type::Plain(Plain::String))
                        if other.is_text() =>
                    {
                        "write it into the text: `\"…@{value}\"`".to_owned()
                    }
                    _ => "it puts two lists or two texts together".to_owned(),
                };
                let message =
                    format!("`++` can't put {} and {} together", article(&a_type), article(&b_type));
                let wrong = Diagnostic::error(codes::TYPE, message, op, "of two types")
                    .label(left.span, article(&a_type))
                    .label(right.span, article(&b_type));
                return self.wrong(wrong.help(help));
            }
        };
        let role = Role::Part("`++`");
        let (a, b) = (self.coerce(a, &a_type, &ty, &role), self.coerce(b, &b_type, &ty, &role));
        (Ir::new(span, Kind::Binary(BinaryOp::Concat, Box::new(a), Box::new(b))), ty)
    }

    fn no_operator(
        &mut self,
        op: &'p Spanned<BinaryOp>,
        a: &Type,
        b: &Type,
        left: Span,
        right: Span,
        result: Type,
    ) -> (Ir, Type) {
        if a.is_broken() || b.is_broken() {
            return (Ir::poison(op.span), result);
        }
        let symbol = self.project.sources.slice(op.span);
        let text = |ty: &Type| matches!(ty, Type::Plain(Plain::String));
        let help = match op.node {
            BinaryOp::Add if text(a) || text(b) || a.element().is_some() => {
                "texts and lists are put together by `++`"
            }
            BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply => {
                "it works on numbers, durations and sizes"
            }
            _ if a.join(b).is_none() => "both sides have to be of one type",
            _ => "only plain values have an order and can be compared; outputs are compared by `assert`",
        };
        let message = format!("`{symbol}` doesn't work on {} and {}", article(a), article(b));
        let wrong = Diagnostic::error(codes::TYPE, message, op.span, "here")
            .label(left, article(a))
            .label(right, article(b));
        self.report(wrong.help(help));
        (Ir::poison(op.span), result)
    }
}

fn is_ordered(ty: &Type) -> bool {
    use Plain::*;
    match ty {
        Type::Error => true,
        Type::Plain(plain) => matches!(plain, Int | String | Instant | Date | Duration | Size | Percent),
        _ => false,
    }
}

fn arithmetic(op: BinaryOp, a: &Type, b: &Type) -> Option<Type> {
    use Plain::{Duration, Instant, Int, Size};
    let (Type::Plain(a), Type::Plain(b)) = (a, b) else {
        return (a.is_broken() || b.is_broken()).then_some(Type::Error);
    };
    Some(Type::Plain(match (op, a, b) {
        (_, Int, Int) => Int,
        (BinaryOp::Add | BinaryOp::Subtract, Duration, Duration) => Duration,
        (BinaryOp::Add | BinaryOp::Subtract, Size, Size) => Size,
        (BinaryOp::Add | BinaryOp::Subtract, Instant, Duration) => Instant,
        (BinaryOp::Multiply, Duration, Int) | (BinaryOp::Multiply, Int, Duration) => Duration,
        (BinaryOp::Multiply, Size, Int) | (BinaryOp::Multiply, Int, Size) => Size,
        _ => return None,
    }))
}
