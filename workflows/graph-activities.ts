import { proxyActivities, workflowInfo, type ActivityInterfaceFor, type ActivityOptions } from '@temporalio/workflow';
import { siblingQueues } from '../model/task-queues.ts';

/** Activities that call Graph: they run on the installation's queue for these, not on the workflow's own. */
export const graphActivities = <A>(options: ActivityOptions): ActivityInterfaceFor<A> =>
  proxyActivities<A>({ ...options, taskQueue: siblingQueues(workflowInfo().taskQueue).graph });

/** Activities that hand mail on, or look after that, on the installation's queue for these. */
export const deliveryActivities = <A>(options: ActivityOptions): ActivityInterfaceFor<A> =>
  proxyActivities<A>({ ...options, taskQueue: siblingQueues(workflowInfo().taskQueue).delivery });
