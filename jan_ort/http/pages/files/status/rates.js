// Tokens a second, from the counts of the last few states.

const WINDOW_S = 5;

export class Rates {
  #states = [];

  note(state) {
    this.#states = [...this.#states.filter((each) => state.time - each.time <= WINDOW_S), { time: state.time, counts: countsOf(state) }];
  }

  /** Return the tokens a second that a model has generated of late; null while that is not known. */
  of(id) {
    const [first, last] = [this.#states[0], this.#states.at(-1)];
    const made = last.counts[id] - first.counts[id];
    return last.time > first.time && made >= 0 ? made / (last.time - first.time) : null; // fewer: it was loaded anew
  }
}

const countsOf = ({ models }) => Object.fromEntries(models.filter((each) => each.engine).map((each) => [each.id, each.engine.num_generated_tokens]));
