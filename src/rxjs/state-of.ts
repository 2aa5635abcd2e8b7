/**
 * An application's state as an Observable.
 */

import { Observable } from 'rxjs'
import type { Streams, StreamsState } from '../index.ts'

/**
 * The state of an application: the present one at once, then each change. Completes when the
 * application has stopped; fails with its error when it fails, after `'failed'`.
 *
 * @example
 * ```ts
 * stateOf(app).subscribe({
 *   next: (state) => console.log(state),
 *   error: (error) => console.error(error),
 * })
 * ```
 */
export function stateOf(
  app: Pick<Streams, 'state' | 'onStateChange' | 'finished'>,
): Observable<StreamsState> {
  return new Observable((subscriber) => {
    subscriber.add(app.onStateChange((state) => subscriber.next(state)))
    subscriber.next(app.state)
    app.finished.then(
      () => subscriber.complete(),
      (error: unknown) => subscriber.error(error),
    )
  })
}
