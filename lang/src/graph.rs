//! Orders and rings of small graphs, without recursion, so that no file can exhaust the stack.

/// Every node after those its edges lead to, as far as there is no ring.
pub fn postorder<E: Copy>(edges: &[Vec<(usize, E)>]) -> Vec<usize> {
    let mut order = Vec::with_capacity(edges.len());
    walk(edges, &mut order, &mut Vec::new());
    order
}

/// Which nodes can be reached from some, these included.
pub fn reachable<E: Copy>(edges: &[Vec<(usize, E)>], from: impl IntoIterator<Item = usize>) -> Vec<bool> {
    let mut reached = vec![false; edges.len()];
    let mut open: Vec<usize> = from.into_iter().collect();
    while let Some(node) = open.pop() {
        if !std::mem::replace(&mut reached[node], true) {
            open.extend(edges[node].iter().map(|(to, _)| *to));
        }
    }
    reached
}

/// The rings that a walk in the given order closes, each as its nodes with the edge to the next.
pub fn rings<E: Copy>(edges: &[Vec<(usize, E)>]) -> Vec<Vec<(usize, E)>> {
    let mut rings = Vec::new();
    walk(edges, &mut Vec::new(), &mut rings);
    rings
}

#[derive(Clone, Copy, PartialEq)]
enum Mark {
    New,
    Open,
    Done,
}

fn walk<E: Copy>(edges: &[Vec<(usize, E)>], order: &mut Vec<usize>, rings: &mut Vec<Vec<(usize, E)>>) {
    let mut marks = vec![Mark::New; edges.len()];
    // The path from the start to here: a node and how many of its edges were taken.
    let mut path: Vec<(usize, usize)> = Vec::new();
    for start in 0..edges.len() {
        if marks[start] != Mark::New {
            continue;
        }
        marks[start] = Mark::Open;
        path.push((start, 0));
        while let Some((node, taken)) = path.last_mut() {
            let Some((to, _)) = edges[*node].get(*taken) else {
                marks[*node] = Mark::Done;
                order.push(*node);
                path.pop();
                continue;
            };
            *taken += 1;
            match marks[*to] {
                Mark::Done => {}
                Mark::New => {
                    marks[*to] = Mark::Open;
                    path.push((*to, 0));
                }
                Mark::Open => {
                    let from = path.iter().position(|(node, _)| node == to).unwrap_or(0);
                    rings.push(
                        path[from..].iter().map(|(node, taken)| (*node, edges[*node][taken - 1].1)).collect(),
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_comes_first() {
        let edges = vec![vec![(1, ()), (2, ())], vec![(2, ())], vec![]];
        assert_eq!(postorder(&edges), [2, 1, 0]);
        assert!(rings(&edges).is_empty());
        assert_eq!(reachable(&edges, [1]), [false, true, true]);
    }

    #[test]
    fn a_ring_names_each_hop() {
        let edges = vec![vec![(1, 'a')], vec![(2, 'b')], vec![(1, 'c')]];
        assert_eq!(rings(&edges), [[(1, 'b'), (2, 'c')]]);
        assert_eq!(rings(&[vec![(0, 's')]]), [[(0, 's')]]);
    }

    #[test]
    fn a_long_chain_needs_no_stack() {
        let edges: Vec<Vec<(usize, ())>> =
            (0..200_000).map(|node| vec![(node + 1, ())]).chain([vec![]]).collect();
        assert_eq!(postorder(&edges).len(), 200_001);
    }
}
